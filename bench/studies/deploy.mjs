/**
 * A deploy under load: the server gets SIGTERM, and a new process listens on the same port. The study fails when a
 * connection ends with 1006, when a client does not come back, or when they come back faster than the rate allows.
 *
 *   npm run bench:deploy -- [flags]
 *
 *   --clients 5000   how many clients are connected
 *   --rate 500       how many connections per second the new process accepts
 *   --help           prints this text
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, openClients } from '../lib/client.mjs';
import { readFlags } from '../lib/flags.mjs';
import { conclude, needFiles, startServer } from '../lib/study.mjs';

const {
  values: { clients: count, rate },
} = readFlags(import.meta.filename, { clients: 5000, rate: 500 });

// The clients are spread over twice the time that the rate needs for them
const settings = { BENCH_LOG: 'error', REALTIME_RECONNECT_SPREAD: String((2 * count) / rate) };

const codes = {};
const backAt = [];
let refused = 0;
let attempts = 0;

/** Comes back after the time that the close frame names, and keeps trying. */
async function comeBack(client, { port, start }) {
  await client.closed;
  codes[client.code] = (codes[client.code] ?? 0) + 1;
  const hint = Number(/retry-after-ms=(\d+)/.exec(client.reason)?.[1] ?? 1000);
  for (let wait = hint; ; wait = 500 + Math.random() * 1000) {
    await sleep(wait);
    attempts++;
    const again = new Client();
    try {
      await again.open({ port, path: '/echo' });
      backAt.push(performance.now() - start);
      return;
    } catch {
      if (again.status !== 0) refused++;
    }
  }
}

/** The most connections that were opened within any second. */
const peakOf = (times) =>
  Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + 1000).length));

needFiles(count);
const old = await startServer('realtime', { env: settings });
const { port } = old;
const clients = [];
await openClients(count, { port, path: '/echo' }, (client) => clients.push(client));
console.log(`${clients.length} clients are connected`);

const start = performance.now();
const seconds = (ms) => `${(ms / 1000).toFixed(1)}s`;
const lives = clients.map((client) => comeBack(client, { port, start }));
const ended = old.peer.stop();
const next = startServer('realtime', {
  env: { ...settings, REALTIME_MAX_CONNECTION_RATE: String(rate), BENCH_PORT: String(port) },
});
const how = await ended;
console.log(`the old process ended after ${seconds(performance.now() - start)} (${how})`);
await Promise.all(lives);

const { peer } = await next;
const stats = await peer.call('stats');
const peak = peakOf(await peer.call('openedAt'));
await peer.end();
const all = JSON.stringify(codes);
console.log(`close codes ${all}, all back after ${seconds(Math.max(...backAt))}, at most ${peak} in any second`);
console.log(
  `attempts ${attempts}, refused by the limit ${refused}, stats: current=${stats.current} accepted=${stats.accepted}`,
);

const problems = [
  [codes[1006] !== undefined, `${codes[1006]} connections ended with 1006`],
  [stats.current !== count, `${stats.current} of ${count} clients are back`],
  [peak > rate, `${peak} came back within one second, at a rate of ${rate}`],
];
conclude(
  problems.filter(([is]) => is).map(([, text]) => text),
  'no client saw 1006, and the rate held',
);
