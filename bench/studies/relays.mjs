/**
 * Three nodes over Redis, and clients on three transports whose requests go to any of them, while nodes are killed and
 * replaced. The study fails unless every client gets every push of its room once and in order for as long as it has a
 * connection, nothing that it sends is taken twice, nothing hangs, and at the end all counts, timers, handles and the
 * memory of the node that lived through it are back where they were.
 *
 *   npm run soak:relays -- [flags]
 *
 *   --seconds 300      how long nodes are killed
 *   --clients 3000     how many there are, a third of them on each transport
 *   --help             prints this text
 *
 * It needs redis-server 7.0 or later.
 */
import { loadavg } from 'node:os';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags } from '../lib/flags.mjs';
import { startRedis } from '../lib/redis.mjs';
import { agent, PollingClient, SocketClient, StreamClient } from '../lib/soak-clients.mjs';
import { conclude, needFiles, startServer } from '../lib/study.mjs';

const {
  values: { seconds, clients: size },
} = readFlags(import.meta.filename, { seconds: 300, clients: 3000 });

const NODES = 3;
const MEMBERS = 100;
const PUSHES_PER_SECOND = 3;
const WORDS_PER_SECOND = 50;
const ROOMS = Array.from({ length: Math.ceil(size / MEMBERS) }, (_, index) => `room${index}`);
/** What the node may have on its heap at the end beside what it had before, in bytes. */
const GROWTH = 8e6;
/** An ended connection is remembered for a minute. */
const SETTLE_MS = 90_000;

const SETTINGS = {
  ...{
    REALTIME_ANNOUNCE_INTERVAL: '1',
    REALTIME_NODE_LOST_TIME: '3',
    REALTIME_POLL_HOLD: '10',
    REALTIME_SSE_HOLD: '20',
  },
  ...{
    REALTIME_GRACE_TIME: '10',
    REALTIME_RECONNECT_SPREAD: '2',
    REALTIME_MAX_HANDSHAKES: '10000',
    BENCH_LOG: 'error',
  },
};

needFiles(size * 2);
const redis = await startRedis();
const env = { ...SETTINGS, REALTIME_REDIS_URL: redis.url, REALTIME_APP: 'soak' };
const startNode = () => startServer('soak', { env });
const nodes = await Promise.all(Array.from({ length: NODES }, startNode));
const [witness] = nodes;

const pick = (items) => items[Math.floor(Math.random() * items.length)];
const faults = [];
const counts = {};
const world = {
  sockets: 0,
  holdMs: 10_000,
  port: () => pick(nodes.filter(({ isGone }) => !isGone)).port,
  count: (what) => (counts[what] = (counts[what] ?? 0) + 1),
  fault: (text) => faults.push(text),
};

const pushed = Object.fromEntries(ROOMS.map((room) => [room, 0]));

/** The node that is never killed pushes, so that every number is published. */
async function push() {
  const room = pick(ROOMS);
  await witness.peer.call('pushTo', { room, text: `push ${++pushed[room]}` });
}

/** @returns a function that ends it */
function every(ms, task) {
  const timer = setInterval(() => void task(), ms);
  return () => clearInterval(timer);
}

/** All at once would be more than the queue of connections that a system keeps for a port. */
const CONNECTS_PER_SECOND = 150;

const fill = (count) =>
  Array.from({ length: count }, (_, index) => {
    const Client = [SocketClient, PollingClient, StreamClient][index % 3];
    const client = new Client(world, `client${index}`, ROOMS[Math.floor(index / 3) % ROOMS.length]);
    return { client, over: client.run((index / CONNECTS_PER_SECOND) * 1000) };
  });

async function empty(clients, isClean) {
  await Promise.all(clients.map(({ client }) => client.leave(isClean())));
  await Promise.all(clients.map(({ over }) => over));
  agent.destroy();
}

/** One node goes, and another one comes. */
async function replace() {
  const index = 1 + Math.floor(Math.random() * (NODES - 1));
  const old = nodes[index];
  const isKilled = Math.random() < 0.5;
  world.count(isKilled ? 'killed' : 'reloaded');
  old.isGone = isKilled;
  if (isKilled) await old.peer.end();
  nodes[index] = await startNode();
  if (!isKilled) await old.peer.stop();
}

/** What must be nothing when nobody is there, and what must be as it was. */
async function measure({ peer }) {
  const { current, detached, unfinished, rooms, broker } = await peer.call('stats');
  const { timers, listeners } = await peer.call('resources');
  const { heap } = await peer.call('memory');
  const handles = await peer.call('handles');
  const { relays, channels, nodes: others } = broker;
  return {
    idle: { current, detached, unfinished, rooms, relays },
    same: { channels, others, timers, listeners, handles },
    heap,
  };
}

/** @param isSettled says what is still wrong. Waits until nothing is */
async function settle(node, problemsOf) {
  for (const endAt = Date.now() + SETTLE_MS; ; await sleep(2000)) {
    const state = await measure(node);
    const problems = problemsOf(state);
    if (problems.length === 0 || Date.now() > endAt) return { state, problems };
  }
}

const idleProblems = ({ idle }) => Object.entries(idle).flatMap(([name, n]) => (n === 0 ? [] : [`${name} is ${n}`]));

const show = (what, { idle, same, heap }) =>
  console.log(`${what}: ${JSON.stringify({ ...idle, ...same })} heap=${(heap / 1e6).toFixed(1)}MB`);

console.log(`load of the machine: ${loadavg().map(Math.round).join(' ')}`);
const warm = fill(Math.min(size, 600));
await sleep(5000);
await empty(warm, () => false);
// Channels are left a little later
await sleep(15_000);
const { state: before, problems: early } = await settle(witness, idleProblems);
show('before', before);

const stops = [every(1000 / PUSHES_PER_SECOND, push)];
const clients = fill(size);
await sleep(5000 + (size / CONNECTS_PER_SECOND) * 1000);
stops.push(every(1000 / WORDS_PER_SECOND, () => pick(clients).client.say()));
for (const endAt = Date.now() + seconds * 1000; Date.now() < endAt;) {
  await sleep(2000 + Math.random() * 4000);
  await replace();
}
await sleep(5000);
show('at the end', await measure(witness));
for (const stop of stops) stop();
await empty(clients, () => Math.random() < 0.5);

const after = ({ idle, same, heap }) => [
  ...idleProblems({ idle }),
  ...Object.entries(same).flatMap(([name, n]) =>
    n === before.same[name] ? [] : [`${name} is ${n}, not ${before.same[name]}`],
  ),
  ...(heap > before.heap + GROWTH ? [`the heap has grown by ${((heap - before.heap) / 1e6).toFixed(1)} MB`] : []),
];
const { state, problems } = await settle(witness, after);
show('after', state);
const left = [];
for (const node of nodes.slice(1)) left.push(...(await settle(node, idleProblems)).problems);
console.log(JSON.stringify(counts));
console.log(`load of the machine: ${loadavg().map(Math.round).join(' ')}`);
for (const { peer } of nodes) await peer.stop();
await redis.end();
conclude(
  [
    ...early,
    ...problems,
    ...left,
    ...faults.slice(0, 20),
    ...(faults.length > 20 ? [`… ${faults.length} faults`] : []),
  ],
  `${seconds} s with ${size} clients: each push once and in order, nothing twice, nothing left`,
);
