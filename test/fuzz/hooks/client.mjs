/** Does with a client what its case says, and leaves nothing of it. */
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { WIRES } from './wires.mjs';

/** How long a client waits for its connection, and for the server's end, in milliseconds. */
const OPEN_MS = 300;
const STAY_MS = 250;

const turn = () => new Promise(setImmediate);

async function until(isDone, milliseconds) {
  const end = performance.now() + milliseconds;
  while (!isDone() && performance.now() < end) await sleep(1);
}

/** The messages that a client sends are numbered; `m<number>` goes to `onMessage`. */
class Voice {
  count = 0;
  /** When each message was made; it leaves later. */
  sentAt = new Map();

  next() {
    this.sentAt.set(++this.count, performance.now());
    return this.count;
  }

  plain = (bytes = 0) => `m${this.next()} ${'~'.repeat(bytes)}`;
  envelope = (event) => JSON.stringify({ event, id: `${event}${this.next()}`, data: { k: this.count } });
  many = (count) => Array.from({ length: count + 1 }, () => this.plain());
}

const DOES = {
  say: (wire, voice) => wire.say(voice.plain()),
  work: (wire, voice) => wire.say(voice.envelope('work')),
  stream: (wire, voice) => wire.say(voice.envelope('stream')),
  cancel: (wire, voice) => wire.say(JSON.stringify({ event: 'rt:cancel', id: `stream${voice.count}` })),
  burst: (wire, voice, count) => voice.many(count).forEach((text) => wire.say(text)),
  batch: (wire, voice, count) => wire.say(...voice.many(count)),
  large: (wire, voice) => wire.say(voice.plain(100_000)),
  half: (wire, voice) => wire.half(voice.plain(20)),
  junk: (wire) => wire.say('{"event":'),
  ping: (wire) => wire.ping(),
  posts: (wire, voice, count) => wire.posts(voice.many(count)),
  deaf: (wire) => wire.deaf(true),
  hear: (wire) => wire.deaf(false),
  reconnect: (wire) => wire.reconnect(),
};

/** Messages whose order, or whose arriving once, the client does not promise. */
export const isUnordered = ({ client, transport, middleware }) =>
  middleware === 'nextTwice' || (transport !== 'websocket' && client.acts.some(({ act }) => act === 'posts'));

/** @returns what the client has received, when all its sockets have gone */
export async function runClient(port, plan) {
  const { client, transport, path, number } = plan;
  const wire = new WIRES[transport](port, `${path}?case=${number}`, client);
  const voice = new Voice();
  plan.sentAt = voice.sentAt;
  if (client.waitsForOpen) await until(() => wire.isOpen || wire.isRefused || wire.isOver, OPEN_MS);
  if (path.startsWith('/ask')) wire.say('credential');
  for (const { after, act, count } of client.acts) {
    await (after > 0 ? sleep(after) : turn());
    DOES[act](wire, voice, count);
  }
  await sleep(client.leaveAfter);
  plan.hasLeft = client.leave !== 'stay';
  if (client.leave === 'stay') await until(() => wire.inbox.code !== undefined || wire.isRefused, STAY_MS);
  else wire.leave(client.leave);
  plan.hasLeft = true;
  const { code } = wire.inbox;
  await (client.leave === 'close' ? sleep(10) : turn());
  await wire.gone();
  return { parts: wire.inbox.parts, code, hasLeft: client.leave !== 'stay' };
}
