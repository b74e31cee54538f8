/** What is on the heap of this process, by class, and which listeners its network sockets have. */
import { text } from 'node:stream/consumers';
import { getHeapSnapshot } from 'node:v8';

/** @returns for each class its objects, and their bytes without what they refer to */
export async function objects() {
  globalThis.gc();
  const { snapshot, nodes, strings } = JSON.parse(await text(getHeapSnapshot()));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const found = {};
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = types[type][nodes[at + type]];
    const title = kind === 'object' ? strings[nodes[at + name]] : `(${kind})`;
    const entry = (found[title] ??= { count: 0, bytes: 0 });
    entry.count++;
    entry.bytes += nodes[at + size];
  }
  return found;
}

/** @returns for each event how many listeners all network sockets have together */
export function listeners() {
  const found = {};
  for (const handle of process._getActiveHandles()) {
    if (handle.constructor.name !== 'Socket' || !handle.remotePort) continue;
    for (const event of handle.eventNames()) {
      found[String(event)] = (found[String(event)] ?? 0) + handle.listenerCount(event);
    }
  }
  return found;
}
