/**
 * What is measured on which servers.
 *
 * @typedef {object} Case
 * @property {string} title the heading of its table
 * @property {string[]} on the contestants of `lib/contestants.mjs` that it measures
 * @property {string} figure the name of the figure that ratios are made of
 * @property {(context) => Promise<object>} measure measures one turn of one server and returns its figures by name;
 *   the runner takes the medians
 * @property {(context) => Promise<void>} [open] opens the connections, once per server
 * @property {boolean} [isFresh] starts new processes for every turn; by default the servers stay up and take turns
 *
 * A context has the `name` of the contestant, its `server`, its `load`, the `seconds` of a turn, and `isQuick`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { contestants } from './lib/contestants.mjs';

const ALL = ['ws', 'WsAdapter', 'IoAdapter', 'bun', 'realtime'];

/** How `count` clients open on a place of the server: on what `path` of the contestant makes of its name. */
function clientsOf({ name, server }, place, count, options = {}) {
  const dialect = contestants[name];
  return { port: server.port, path: dialect.path(place), count, ...dialect.open(place), ...options };
}

async function open(context, place, count, options) {
  return context.load.call('open', clientsOf(context, place, count, options));
}

/** Runs a load, and relates the server's CPU time to its messages. */
async function metered({ server, load, seconds }, verb, args) {
  const before = await server.times();
  const run = await load.call(verb, { ...args, seconds });
  const after = await server.times();
  return {
    'cpu µs': (after.cpu - before.cpu) / run.messages,
    'in user mode': (after.user - before.user) / run.messages,
    'per s': run.messages / run.seconds,
    'p50 ms': run.p50,
    'p99 ms': run.p99,
  };
}

/** A case that runs one command of the load on connections that stay open. */
const loaded = (place, count, verb, args) => ({
  open: (context) => open(context, placeOf(place, context), count),
  measure: (context) => metered(context, verb, args(contestants[context.name], placeOf(place, context), context.name)),
});

/** Our own server has places that the others do not have; they are measured on a place that does the same. */
const placeOf = (place, { name }) => (OURS_ONLY[place] && !isOurs(name) ? OURS_ONLY[place] : place);
const OURS_ONLY = { async: 'echo', bare: 'echo' };
const isOurs = (name) => /^(realtime|before)/.test(name);

const echo = (place, bytes, inFlight, canBinary = false) =>
  loaded(place, 64, 'echo', (dialect, where, name) => {
    const isBinary = canBinary && !name.endsWith('Adapter');
    return { payload: dialect.message(bytes, where), isBinary, inFlight };
  });

const fan = (place, count, inFlight) =>
  loaded(place, count, 'fan', (dialect, where) => ({ trigger: dialect.trigger(where), inFlight }));

/** Measures the latency at a rate that all servers can serve; under full load it would be the length of a queue. */
const paced = (perSecond) =>
  loaded('echo', 64, 'paced', (dialect, where) => ({ payload: dialect.message(64, where), perSecond }));

const to10k = {
  open: (context) => open(context, 'fan', 10_000),
  async measure(context) {
    const { server, load, seconds } = context;
    await server.peer.call('watchLoop');
    const before = await server.cpu();
    const run = await load.call('fan', { trigger: contestants[context.name].trigger('fan'), inFlight: 1, seconds });
    const cpu = (await server.cpu()) - before;
    const loop = await server.peer.call('loop');
    return { 'cpu µs': cpu / run.messages, 'last ms': run.p50, 'loop p99 ms': loop.p99, 'loop max ms': loop.max };
  },
};

/** Measures 1,000 receivers and then 10,000 in the same process, as two processes differ by more than the growth. */
const growth = {
  isFresh: true,
  async measure(context) {
    const args = { trigger: contestants[context.name].trigger('fan'), inFlight: 1 };
    const cost = async (more) => {
      await open(context, 'fan', more);
      await context.load.call('fan', { ...args, seconds: 3 });
      return (await metered({ ...context, seconds: context.isQuick ? 2 : 5 }, 'fan', args))['cpu µs'];
    };
    const few = await cost(1000);
    const many = await cost(9000);
    return { 'with 1,000': few, 'with 10,000': many, 'growth %': (many / few - 1) * 100 };
  },
};

const memory = {
  isFresh: true,
  async measure(context) {
    const count = context.isQuick ? 3000 : 10_000;
    await open(context, 'echo', 500);
    await context.load.call('close');
    await sleep(500);
    const before = await context.server.peer.call('memory');
    await open(context, 'echo', count);
    await sleep(1000);
    const after = await context.server.peer.call('memory');
    const each = (kind) => (after[kind] - before[kind]) / count / 1024;
    return { KB: each('rss'), 'heap KB': each('heap') };
  },
};

const handshake = (place) => ({
  async measure(context) {
    const count = context.isQuick ? 1000 : 2000;
    const before = await context.server.cpu();
    const { seconds } = await open(context, placeOf(place, context), count, { isAwake: true });
    const cpu = (await context.server.cpu()) - before;
    await context.load.call('close');
    await sleep(200);
    return { 'cpu µs': cpu / count, 'per s': count / seconds };
  },
});

/** Clients that open, send one message, get its echo and leave with a closing handshake. */
const life = (place) => ({
  async measure(context) {
    const where = placeOf(place, context);
    const payload = contestants[context.name].message(64, where);
    const clients = clientsOf(context, where, context.isQuick ? 1000 : 2000, { payload, isAwake: true });
    const before = await context.server.cpu();
    const { count, seconds } = await context.load.call('live', clients);
    return { 'cpu µs': ((await context.server.cpu()) - before) / count, 'per s': count / seconds };
  },
});

/**
 * Five thousand clients come back to a process that has just started, as after a deploy. Five hundred connect at a time,
 * because the queue of the system for new connections is not longer where Nest listens.
 */
const storm = {
  isFresh: true,
  async measure(context) {
    const clients = clientsOf(context, 'echo', 5000, { concurrency: 500, isAwake: true });
    const before = await context.server.cpu();
    const run = await context.load.call('storm', clients);
    const cpu = (await context.server.cpu()) - before;
    return { 'cpu s': cpu / 1e6, 'p99 ms': run.p99, 'last s': run.seconds };
  },
};

/**
 * Ten thousand clients send nothing, and the heartbeat has its default timings. The case measures whole ping intervals
 * after the first one, because V8 collects the garbage of the opening in the first.
 */
const heartbeat = {
  isFresh: true,
  async measure(context) {
    await open(context, 'echo', 10_000);
    await sleep(35_000);
    const before = await context.server.cpu();
    const { seconds } = await context.load.call('rest', { seconds: context.isQuick ? 25 : 100 });
    const cpu = (await context.server.cpu()) - before;
    // Watching the loop costs 4 % of a core by itself, so it follows the measurement of the CPU time
    await context.server.peer.call('watchLoop');
    await context.load.call('rest', { seconds: 25 });
    const loop = await context.server.peer.call('loop');
    return { 'core %': (cpu / 1e6 / seconds) * 100, 'loop p99 ms': loop.p99, 'loop max ms': loop.max };
  },
};

const CPU = 'cpu µs';

/** @type {Record<string, Case>} */
export const cases = {
  'echo-1': { title: 'Echo 64 B, 64 connections, 1 in flight', on: ALL, figure: CPU, ...echo('echo', 64, 1) },
  'echo-16': { title: 'Echo 64 B, 64 connections, 16 in flight', on: ALL, figure: CPU, ...echo('echo', 64, 16) },
  'echo-async': {
    title: 'Echo 64 B, an async hook, 16 in flight',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...echo('async', 64, 16),
  },
  'echo-16k': {
    title: 'Echo 16 KiB, 64 connections, 1 in flight (binary; JSON text on the adapters)',
    on: [...ALL, 'ws+bufferutil'],
    figure: CPU,
    ...echo('echo', 16_384, 1, true),
  },
  'echo-16k-text': {
    title: 'Echo 16 KiB as text: the message is decoded and encoded again',
    on: ['ws', 'ws+bufferutil', 'realtime'],
    figure: CPU,
    ...echo('text', 16_384, 1),
  },
  tls: {
    title: 'Echo 64 B over TLS, 64 connections, 1 in flight',
    on: ['ws+tls', 'realtime+tls'],
    figure: CPU,
    ...echo('echo', 64, 1),
  },
  'tls-16k': {
    title: 'Echo 16 KiB over TLS, binary, 1 in flight',
    on: ['ws+tls', 'realtime+tls'],
    figure: CPU,
    ...echo('echo', 16_384, 1, true),
  },
  'echo-compressed': {
    title: 'Echo 64 B where compression is on, 16 in flight (the clients of this benchmark do not ask for it)',
    on: ['realtime', 'realtime+compression'],
    figure: CPU,
    ...echo('echo', 64, 16),
  },
  latency: { title: 'Echo 64 B at 5,000 messages/s', on: ALL, figure: 'p99 ms', ...paced(5000) },
  'json-1': { title: '@SubscribeMessage echo, 64 B, 1 in flight', on: ALL, figure: CPU, ...echo('json', 64, 1) },
  'json-16': { title: '@SubscribeMessage echo, 64 B, 16 in flight', on: ALL, figure: CPU, ...echo('json', 64, 16) },
  'guarded-16': {
    title: '@SubscribeMessage echo with a guard and a pipe, 16 in flight',
    on: ['WsAdapter', 'IoAdapter', 'realtime'],
    figure: CPU,
    ...echo('guarded', 64, 16),
  },
  'validated-16': {
    title: '@SubscribeMessage echo with a guard and a validated body, 16 in flight',
    on: ['WsAdapter', 'IoAdapter', 'realtime'],
    figure: CPU,
    ...echo('validated', 64, 16),
  },
  'fan-1': { title: 'Push 128 B to 1,000, one in flight, per delivery', on: ALL, figure: CPU, ...fan('fan', 1000, 1) },
  'fan-8': {
    title: 'Push 128 B to 1,000, eight in flight, per delivery',
    on: [...ALL, 'realtime+window'],
    figure: CPU,
    ...fan('fan', 1000, 8),
  },
  'fan-10k': { title: 'Push 128 B to 10,000, one in flight, per delivery', on: ALL, figure: CPU, ...to10k },
  growth: {
    title: 'Growth of the cost of a delivery from 1,000 receivers to 10,000',
    on: ['ws', 'bun', 'realtime'],
    figure: 'growth %',
    ...growth,
  },
  rooms: {
    title: '10,000 rooms of 10, a push to each, per delivery',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...fan('rooms', 1000, 1),
  },
  tabs: {
    title: '333 users with 3 tabs, a push to each user, per delivery',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...fan('users', 999, 1),
  },
  churn: {
    title: '50 rooms joined and left per message',
    on: ['ws', 'IoAdapter', 'bun', 'realtime'],
    figure: CPU,
    ...echo('churn', 1, 1),
  },
  memory: { title: 'Memory per idle connection', on: ALL, figure: 'KB', ...memory },
  handshake: { title: 'Handshake', on: [...ALL, 'express'], figure: CPU, ...handshake('echo') },
  'handshake-bare': {
    title: 'Handshake that bypasses the HTTP application (`middleware: false`)',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...handshake('bare'),
  },
  'handshake-middleware': {
    title: 'Handshake through three middlewares',
    on: ['ws', 'realtime', 'realtime+middleware'],
    figure: CPU,
    ...handshake('echo'),
  },
  life: { title: 'Life: open, one echo, closing handshake', on: ALL, figure: CPU, ...life('echo') },
  'life-bare': {
    title: 'Life that bypasses the HTTP application (`middleware: false`)',
    on: ['ws', 'realtime'],
    figure: CPU,
    ...life('bare'),
  },
  'reconnect-storm': {
    title: '5,000 clients come back to a new process',
    on: ['ws', 'WsAdapter', 'IoAdapter', 'realtime'],
    figure: 'cpu s',
    ...storm,
  },
  heartbeat: { title: 'Heartbeat of 10,000 idle connections', on: ['ws', 'realtime'], figure: 'core %', ...heartbeat },
};
