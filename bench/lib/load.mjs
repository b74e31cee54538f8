/** The load: a process of its own, so that the server is not charged for its work. It runs one command at a time. */
import { performance } from 'node:perf_hooks';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { openClients } from './client.mjs';
import { now } from './clock.mjs';
import { clientFrame } from './frames.mjs';
import { Latencies } from './latencies.mjs';

/** @type {import('./client.mjs').Client[]} */
let clients = [];

/**
 * Opens clients and keeps them.
 *
 * @param args those of `openClients()`
 * @param args.isAwake never sleeps meanwhile: a server that is faster than its clients does not wake them with every
 *   answer, and a slower one would pay twice for being slower
 */
async function open({ count, isAwake = false, ...args }) {
  return timed(count, isAwake, () => openClients(count, args, (client) => void clients.push(client)));
}

async function timed(count, isAwake, task) {
  const started = performance.now();
  const isOver = { is: !isAwake };
  void stayAwake(isOver);
  try {
    await task();
  } finally {
    isOver.is = true;
  }
  return { count, seconds: (performance.now() - started) / 1000 };
}

async function stayAwake(isOver) {
  while (!isOver.is) await turn();
}

async function close() {
  const open = clients;
  clients = [];
  await Promise.all(open.map((client) => client.reset()));
}

/** Opens clients that leave at once, each with a reset. */
async function shake({ count, ...args }) {
  await openClients(count, args, (client) => void client.reset());
}

/**
 * Opens clients that live a whole life: each sends one message, gets its echo, and leaves with a closing handshake.
 *
 * @param args those of `open()`
 */
async function live({ count, payload, isAwake = false, ...args }) {
  const life = async (client) => {
    await client.ask(payload);
    await client.leave();
  };
  return timed(count, isAwake, () => openClients(count, args, life));
}

/**
 * Opens clients and keeps them, as `open()` does.
 *
 * @returns also how long the clients waited until they were open; `max` is the longest wait
 */
async function storm({ count, isAwake = false, ...args }) {
  const latencies = new Latencies();
  let max = 0;
  const run = await timed(count, isAwake, () =>
    openClients(count, args, (client) => {
      const waited = performance.now() - client.startedAt;
      latencies.add(waited);
      max = Math.max(max, waited);
      clients.push(client);
    }),
  );
  return { ...run, ...latencies.result(), max };
}

/** Every client keeps `inFlight` messages under way for some seconds. */
async function echo({ payload, isBinary, inFlight, seconds }) {
  const frame = clientFrame(payload, { isBinary });
  const bursts = Array.from({ length: inFlight + 1 }, (_, n) => Buffer.concat(new Array(n).fill(frame)));
  const latencies = new Latencies();
  let total = 0;
  let isOver = false;
  for (const client of clients) {
    let sentAt = performance.now();
    let waiting = inFlight;
    client.onFrames = (found) => {
      total += found;
      waiting -= found;
      if (waiting > 0) return;
      const now = performance.now();
      latencies.add(now - sentAt);
      if (isOver) return;
      waiting = inFlight;
      sentAt = now;
      client.socket.write(bursts[inFlight]);
    };
    client.socket.write(bursts[inFlight]);
  }
  const started = performance.now();
  await sleep(seconds * 1000);
  isOver = true;
  const result = { messages: total, seconds: (performance.now() - started) / 1000 };
  await settled(() => total);
  return { ...result, messages: total, ...latencies.result() };
}

/** Sends at a fixed rate over all clients, however late the answers are: a latency is fair only this way. */
async function paced({ payload, isBinary, perSecond, seconds }) {
  const frame = clientFrame(payload, { isBinary });
  const latencies = new Latencies();
  let total = 0;
  for (const client of clients) {
    client.sentAt = [];
    client.onFrames = (found) => {
      const now = performance.now();
      total += found;
      for (let i = 0; i < found; i++) latencies.add(now - client.sentAt.shift());
    };
  }
  const started = performance.now();
  let sent = 0;
  while (performance.now() - started < seconds * 1000) {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; sent < due; sent++) {
      const client = clients[sent % clients.length];
      client.sentAt.push(performance.now());
      client.socket.write(frame);
    }
    await turn();
  }
  const took = (performance.now() - started) / 1000;
  await settled(() => total);
  return { messages: total, seconds: took, ...latencies.result() };
}

/** The first `inFlight` clients trigger pushes in turn; every client receives each push once. */
async function fan({ trigger, inFlight, seconds }) {
  const frame = clientFrame(trigger);
  const latencies = new Latencies();
  /** `reached[k]` counts the clients that have at least k frames. */
  const reached = [];
  const sentAt = [];
  let sent = 0;
  let done = 0;
  let total = 0;
  let isOver = false;
  const fire = (count) => {
    const now = performance.now();
    for (let i = 0; i < count; i++) {
      sentAt[++sent] = now;
      clients[sent % inFlight].socket.write(frame);
    }
  };
  const finished = () => {
    const before = done;
    while (reached[done + 1] === clients.length) latencies.add(performance.now() - sentAt[++done]);
    if (!isOver && done > before) fire(done - before);
  };
  for (const client of clients) {
    let mine = 0;
    client.onFrames = (found) => {
      total += found;
      let isLast = false;
      for (let i = 0; i < found; i++) {
        const count = (reached[++mine] ?? 0) + 1;
        reached[mine] = count;
        if (count === clients.length) isLast = true;
      }
      if (isLast) finished();
    };
  }
  const started = performance.now();
  fire(inFlight);
  await sleep(seconds * 1000);
  isOver = true;
  const took = (performance.now() - started) / 1000;
  await settled(() => total);
  return { messages: total, pushes: done, seconds: took, ...latencies.result() };
}

let arrivals;

/** Begins to count what the clients receive, until `arrived` is asked for. */
function watch() {
  const seen = { messages: 0, lastAt: now() };
  arrivals = seen;
  for (const client of clients) {
    client.onFrames = (found) => {
      seen.messages += found;
      if (seen.messages >= clients.length) seen.lastAt = now();
    };
  }
}

/** Waits at most 30 s until every client has one message, and returns when the last one had it. */
async function arrived() {
  for (let waited = 0; arrivals.messages < clients.length && waited < 30_000; waited += 10) await sleep(10);
  for (const client of clients) client.onFrames = undefined;
  return arrivals;
}

/** Waits until nothing more arrives. */
async function settled(count) {
  for (let tries = 0, before = -1; tries < 40 && count() !== before; tries++) {
    before = count();
    await sleep(50);
  }
  for (const client of clients) client.onFrames = undefined;
}

/** Sends nothing; the clients still answer pings. */
async function rest({ seconds }) {
  await sleep(seconds * 1000);
  return { seconds };
}

const commands = { open, close, shake, live, storm, echo, paced, fan, watch, arrived, rest };

process.on('message', async ({ id, verb, args }) => {
  try {
    process.send({ id, value: (await commands[verb](args ?? {})) ?? {} });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
