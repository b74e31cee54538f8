/** How the cases are measured: each function returns the `open` and the `measure` of a case. */
import { setTimeout as sleep } from 'node:timers/promises';
import { contestants } from './contestants.mjs';

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

export const echo = (place, bytes, inFlight, canBinary = false) =>
  loaded(place, 64, 'echo', (dialect, where, name) => {
    const isBinary = canBinary && !name.endsWith('Adapter');
    return { payload: dialect.message(bytes, where), isBinary, inFlight };
  });

export const fan = (place, count, inFlight) =>
  loaded(place, count, 'fan', (dialect, where) => ({ trigger: dialect.trigger(where), inFlight }));

/** `ValidationPipe` in a loop, without a server around it; the others are measured with clients. */
export const validated = (place, bytes, inFlight) => {
  const served = echo(place, bytes, inFlight);
  return {
    open: (context) => (context.name === 'validator' ? undefined : served.open(context)),
    async measure(context) {
      if (context.name !== 'validator') return served.measure(context);
      const before = await context.server.times();
      const { count } = await context.server.peer.call('validate', { seconds: context.seconds });
      const { cpu, user } = await context.server.times();
      return { 'cpu µs': (cpu - before.cpu) / count, 'in user mode': (user - before.user) / count };
    },
  };
};

/** Measures the latency at a rate that all servers can serve; under full load it would be the length of a queue. */
export const paced = (perSecond) =>
  loaded('echo', 64, 'paced', (dialect, where) => ({ payload: dialect.message(64, where), perSecond }));

export const to10k = {
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
export const growth = {
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

export const memory = {
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

export const handshake = (place) => ({
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
export const life = (place) => ({
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
export const storm = {
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
export const heartbeat = {
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
