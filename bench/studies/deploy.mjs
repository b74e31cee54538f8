/**
 * A deploy under 5,000 clients: SIGTERM, and a new process on the same port.
 *
 *   node bench/studies/deploy.mjs [--clients 5000] [--rate 500]
 *
 * No established connection may end with 1006, and those that come back stay under the rate.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startServer } from './child.mjs';
import { RawClient } from './raw-clients.mjs';

const { values } = parseArgs({
  options: { clients: { type: 'string', default: '5000' }, rate: { type: 'string', default: '500' } },
});
const [count, rate] = [Number(values.clients), Number(values.rate)];
// Clients spread over twice the time that the rate needs for them
const settings = { REALTIME_MAX_CONNECTION_RATE: String(rate), REALTIME_RECONNECT_SPREAD: String((2 * count) / rate) };
const old = await startServer({ ...settings, REALTIME_MAX_CONNECTION_RATE: '0' });
const clients = [];
for (let made = 0; made < count; made += 500) {
  const some = Array.from({ length: Math.min(500, count - made) }, () => new RawClient(old.port));
  for (const client of some) if (!(await client.opened)) throw new Error(`Refused with ${client.status}`);
  clients.push(...some);
}
console.log(`${clients.length} clients are connected`);

const codes = {};
const backAt = [];
let refused = 0;
let attempts = 0;
const start = performance.now();

async function live(client) {
  await client.closed;
  codes[client.code] = (codes[client.code] ?? 0) + 1;
  const hint = Number(/retry-after-ms=(\d+)/.exec(client.reason)?.[1] ?? 1000);
  for (let wait = hint; ; wait = 500 + Math.random() * 1000) {
    await sleep(wait);
    attempts++;
    const again = new RawClient(old.port);
    if (await again.opened) {
      backAt.push(performance.now() - start);
      return;
    }
    if (again.status !== 0) refused++;
  }
}

const lives = clients.map(live);
old.child.kill('SIGTERM');
const next = startServer({ ...settings, PORT: String(old.port) });
const [code, signal] = await old.exited;
console.log(`the old process ended after ${((performance.now() - start) / 1000).toFixed(1)}s (${signal ?? code})`);
await Promise.all(lives);
const { child, state } = await next;
const { stats, openedAt } = await state({ withTimes: true });
const peak = Math.max(...openedAt.map((start) => openedAt.filter((at) => at >= start && at < start + 1000).length));
const lastSeconds = (Math.max(...backAt) / 1000).toFixed(1);
console.log(`close codes ${JSON.stringify(codes)}, all back after ${lastSeconds}s, at most ${peak} in any second`);
console.log(
  `attempts ${attempts}, refused by the limit ${refused}, stats: current=${stats.current} accepted=${stats.accepted}`,
);
child.kill('SIGKILL');
const isGood = codes[1006] === undefined && stats.current === count && peak <= rate;
console.log(isGood ? 'nobody saw 1006, and the rate held' : 'PROBLEM');
process.exit(isGood ? 0 : 1);
