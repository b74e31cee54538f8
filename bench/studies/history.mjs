/**
 * What rooms with history cost: an append at the node and in Redis, a push beside one to a room without history, clients
 * that come back and recover, and the memory of a room, of its entries, and of a connection that has lost its wire. The
 * study fails when a push to a room with history costs more than 1.3 times one without, over the broker `memory`.
 *
 *   npm run bench:history -- [flags]
 *
 *   --rounds 7         how many turns each kind of push has; the median is shown
 *   --pushes 4000      how many pushes a turn has
 *   --clients 2000     how many clients come back
 *   --rooms 5000       how many rooms, and how many detached connections, the memory is divided by
 *   --help             prints this text
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { HISTORY_SCRIPTS } from '../../libs/realtime/dist/esm/brokers/redis/history-scripts.js';
import { MemoryHistory } from '../../libs/realtime/dist/esm/brokers/memory-history.js';
import { RedisHistory } from '../../libs/realtime/dist/esm/brokers/redis/redis-history.js';
import { redisLink } from '../../libs/realtime/dist/esm/brokers/redis/redis-link.js';
import { readFlags } from '../lib/flags.mjs';
import { startRedis } from '../lib/redis.mjs';
import { conclude, endPair, startPair } from '../lib/study.mjs';
import { median, ratio, show, table } from '../lib/tables.mjs';

const {
  values: { rounds, pushes, clients: returning, rooms },
} = readFlags(import.meta.filename, { rounds: 7, pushes: 4000, clients: 2000, rooms: 5000 });

const MAX_RATIO = 1.3;
const PAYLOAD = Buffer.alloc(200, 'x');
const MESSAGE = { size: PAYLOAD.length, bytes: () => PAYLOAD };
const RULES = { size: 100, age: 3600 };
const SETTINGS = { BENCH_LOG: 'error', REALTIME_GRACE_TIME: '600', REALTIME_HEARTBEAT_IDLE_TIME: '600' };
/** How many entries a client that comes back has missed. */
const MISSED = 20;

const cpuOf = async (count, task) => {
  const before = process.cpuUsage();
  await task();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
};

/** @returns the CPU time of an append in this process, in microseconds */
async function appendInMemory() {
  const history = new MemoryHistory(() => {});
  const append = async (count) => {
    for (let i = 0; i < count; i++) await history.append(`r:${i % 100}`, MESSAGE, RULES);
  };
  await append(200_000);
  return cpuOf(500_000, () => append(500_000));
}

/** The same over Redis, for so many appends in a turn of the event loop, and what Redis itself needs for one. */
async function appendsInRedis(redis) {
  const link = await redisLink({ at: redis.url, app: 'bench', node: 'n', scripts: HISTORY_SCRIPTS });
  await link.start({ message() {}, up() {}, down() {}, gap() {} });
  const history = new RedisHistory(link);
  const run = async (count, perTurn) => {
    const turn = (i) =>
      Promise.all(Array.from({ length: perTurn }, (_, k) => history.append(`r:${(i + k) % 100}`, MESSAGE, RULES)));
    for (let i = 0; i < count; i += perTurn) await turn(i);
  };
  const rows = [];
  for (const perTurn of [1, 8, 64]) {
    const count = 10_048;
    await run(2048, perTurn);
    await redis.commands.config('RESETSTAT');
    const node = await cpuOf(count, () => run(count, perTurn));
    const [, used] = /cmdstat_evalsha:calls=\d+,usec=(\d+)/.exec(await redis.commands.info('commandstats'));
    rows.push([`Redis, ${perTurn} in a turn`, show(node), show(Number(used) / count)]);
  }
  await link.stop();
  return rows;
}

/** @returns how many bytes Redis needs for a room with ten entries of 200 bytes */
async function bytesInRedis(redis) {
  const link = await redisLink({ at: redis.url, app: 'size', node: 'n', scripts: HISTORY_SCRIPTS });
  await link.start({ message() {}, up() {}, down() {}, gap() {} });
  const history = new RedisHistory(link);
  const used = async () => Number(/used_memory:(\d+)/.exec(await redis.commands.info('memory'))[1]);
  const before = await used();
  for (let i = 0; i < 1000; i++)
    await Promise.all(Array.from({ length: 10 }, () => history.append(`r:room-${i}`, MESSAGE, RULES)));
  const after = await used();
  await link.stop();
  return (after - before) / 1000;
}

/** Pushes to rooms of so many bare members, with history and without, in turns. @returns the CPU time of each push */
async function comparePushes(members) {
  const pair = await startPair('streams', SETTINGS);
  const { server, load } = pair;
  const kinds = { plain: [], stream: [] };
  const turn = async (kind, count) => (await server.peer.call('push', { room: `${kind}:1`, count })).cpu;
  try {
    // A client is in one of the two, so that both have as many
    for (const kind of Object.keys(kinds))
      await load.call('open', { port: server.port, path: `/streams?room=${kind}:1`, count: members });
    for (const kind of Object.keys(kinds)) await turn(kind, pushes);
    for (let round = 0; round < rounds; round++) {
      for (const kind of Object.keys(kinds)) kinds[kind].push({ cpu: await turn(kind, pushes) });
    }
  } finally {
    await endPair(pair);
  }
  const of = (kind) => median(kinds[kind].map(({ cpu }) => cpu));
  return { members, plain: of('plain'), stream: of('stream'), times: ratio(kinds.stream, kinds.plain, 'cpu') };
}

const greeting = (hello) =>
  `Sec-WebSocket-Protocol: realtime.v1, hello.${Buffer.from(JSON.stringify({ v: 1, ...hello })).toString('base64url')}\r\n`;

/** Joins a room as a client of the library does. @returns the key of the room, and where it stands */
async function standIn(port, room) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/streams?room=${room}`, 'realtime.v1');
  const joined = await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (text) => {
      const { event, data } = JSON.parse(text);
      if (event === 'rt:joined') resolve(data);
    });
  });
  socket.close(1000);
  return joined;
}

/** Clients of the library come back to a room, from before some entries. @returns how many per second, and per second of CPU */
async function recover(env, missed) {
  const pair = await startPair('streams', { ...SETTINGS, ...env });
  const { server, load } = pair;
  const room = 'stream:back';
  try {
    await load.call('open', { port: server.port, path: `/streams?room=${room}`, count: 1 });
    const { key, position } = await standIn(server.port, room);
    await server.peer.call('push', { room, count: missed });
    const headers = greeting({ rooms: { [key]: position } });
    // rt:open, rt:joined and what was missed
    const all = { port: server.port, path: `/streams?room=${room}`, headers, greeting: 2 + missed };
    await load.call('open', { ...all, count: 500 });
    const before = await server.cpu();
    const { seconds } = await load.call('open', { ...all, count: returning, isAwake: true });
    const cpu = ((await server.cpu()) - before) / 1e6;
    const { history } = await server.peer.call('stats');
    if (history.recovered < returning) throw new Error(`Only ${history.recovered} of ${returning} have recovered`);
    return { perSecond: returning / seconds, perCpu: returning / cpu, reads: history.reads };
  } finally {
    await endPair(pair);
  }
}

/** @returns the bytes of the heap that each of the steps adds, divided by `rooms` */
async function growth(steps) {
  const pair = await startPair('streams', SETTINGS);
  const memory = async () => {
    await sleep(500);
    return (await pair.server.peer.call('memory')).heap;
  };
  try {
    const found = {};
    await pair.load.call('open', { port: pair.server.port, path: '/streams', count: 500 });
    for (const [name, step] of Object.entries(steps)) {
      const before = await memory();
      await step(pair);
      found[name] = ((await memory()) - before) / rooms;
    }
    return found;
  } finally {
    await endPair(pair);
  }
}

const open =
  (query, more = {}) =>
  ({ server, load }) =>
    load.call('open', { port: server.port, path: `/streams${query}`, count: rooms, ...more });
const pushToEach = ({ server }) => server.peer.call('pushToEach', { rooms, bytes: 200 });

async function memoryRows(redis) {
  const headers = greeting({});
  const plain = await growth({ room: open('?room=plain:{i}') });
  const stream = await growth({ room: open('?room=stream:{i}'), entry: pushToEach });
  const session = await growth({ attached: open('', { headers }), detached: ({ load }) => load.call('close') });
  return [
    ['a room without history and its bare member', show(plain.room)],
    ['a room with history and its bare member', show(stream.room)],
    ['… its first entry, of 200 bytes, in history and tail', show(stream.entry)],
    ['a room with ten entries of 200 bytes, in Redis', show(await bytesInRedis(redis))],
    ['a connection of a client library', show(session.attached)],
    ['… when it has lost its wire', show(session.attached + session.detached)],
  ];
}

const redis = await startRedis();
const rows = [['memory', show(await appendInMemory()), '–'], ...(await appendsInRedis(redis))];
console.log(`${table(['an append, µs of CPU', 'at the node', 'in Redis'], rows)}\n`);

const compared = [];
for (const members of [1, 10, 100]) compared.push(await comparePushes(members));
const pushRows = compared.map(({ members, plain, stream, times }) => [
  String(members),
  show(plain),
  show(stream),
  show(times),
]);
console.log(`${table(['a push, µs of CPU, members', 'without history', 'with', '×'], pushRows)}\n`);

const broker = { REALTIME_REDIS_URL: redis.url, REALTIME_APP: 'recover' };
const recoveries = [];
for (const [name, env, missed] of [
  ['nothing missed, memory', {}, 0],
  [`${MISSED} entries each, memory`, {}, MISSED],
  [`${MISSED} entries each, Redis`, broker, MISSED],
]) {
  const { perSecond, perCpu, reads } = await recover(env, missed);
  recoveries.push([name, show(perSecond), show(perCpu), String(reads)]);
}
console.log(`${table(['clients that come back', 'per second', 'per second of CPU', 'reads'], recoveries)}\n`);

console.log(`${table(['memory', 'bytes'], await memoryRows(redis))}\n`);
await redis.end();
const dear = compared.filter(({ times }) => times > MAX_RATIO);
conclude(
  dear.map(({ members, times }) => `a push with history to ${members} costs ${show(times)} times one without`),
  `a push with history costs at most ${MAX_RATIO} times one without`,
);
