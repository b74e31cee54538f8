/** What the servers of the study `cluster` share: the room, the payloads, and the messages of their clients. */

import { setImmediate as turn } from 'node:timers/promises';

/** The room that the clients of all nodes are in. */
export const ROOM = 'hall';

/** The room of the one client that measures latencies. */
export const OWN_ROOM = 'own';

const text = (bytes) => JSON.stringify({ at: 0, text: 'x'.repeat(Math.max(0, bytes - 18)) });

const rows = (count) =>
  Array.from({ length: count }, (_, id) => ({ id, name: `Player ${id}`, score: id * 17, on: true }));

/** The body of a push by the message that triggers it: 64 bytes, and 5 KB of JSON. */
export const BODIES = { small: JSON.parse(text(64)), large: { rows: rows(100) } };

/** @returns the rooms that the path of a handshake names: `?room=a`, or a hundred of its own with `?many=7` */
export function roomsIn(url) {
  const { searchParams } = new URL(url, 'http://localhost');
  const many = searchParams.get('many');
  if (many === null) return searchParams.getAll('room');
  return Array.from({ length: 100 }, (_, i) => `many-${many}-${i}`);
}

/**
 * Publishes to a room without members.
 *
 * @param push takes the name of a room and the body
 * @param args.burst how many pushes a turn of the event loop makes
 * @returns the CPU time of one push in microseconds
 */
export async function publish(push, { count, burst }) {
  const before = process.cpuUsage();
  const pushed = [];
  for (let i = 0; i < count; i += burst) {
    for (let k = 0; k < burst; k++) pushed.push(push('nobody', BODIES.small));
    await turn();
  }
  await Promise.all(pushed);
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / count };
}
