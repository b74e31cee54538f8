/**
 * Ten thousand connections with mixed traffic that vanish and come back at random:
 *
 *   node bench/studies/soak.mjs [--connections 10000] [--seconds 60]
 *
 * Memory must be flat, no timer and no listener may grow, and what `stats()` counts is what the clients counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startServer } from './child.mjs';
import { RawClient } from './raw-clients.mjs';

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '10000' }, seconds: { type: 'string', default: '60' } },
});
const [connections, seconds] = [Number(values.connections), Number(values.seconds)];
const server = await startServer({ REALTIME_MAX_CONNECTION_RATE: '0' });
const clients = new Set();
const total = { opened: 0, sent: 0, received: 0, vanished: 0, closed: 0 };

async function open(count) {
  const made = Array.from({ length: count }, () => new RawClient(server.port));
  for (const client of made) if (!(await client.opened)) throw new Error(`Refused with ${client.status}`);
  for (const client of made) clients.add(client);
  total.opened += count;
}

const pick = () => [...clients][Math.floor(Math.random() * clients.size)];
const mb = (bytes) => Math.round(bytes / 1e5) / 10;
const counts = () => [...clients].reduce((sum, { received }) => sum + received, total.received);

/** Waits until every message that was sent was echoed, so that who vanishes takes none with it. */
async function settle() {
  for (let looks = 0; counts() < total.sent; looks++) {
    if (looks > 1000) throw new Error(`${total.sent} sent, ${counts()} echoed`);
    await sleep(10);
  }
}

async function report(what) {
  const { stats, memory, resources, listeners } = await server.state();
  const { heapUsed, external, rss } = memory;
  console.log(
    `${what}: current=${stats.current} heap=${mb(heapUsed)}MB external=${mb(external)}MB rss=${mb(rss)}MB ` +
      `timers=${resources.Timeout ?? 0} listeners=${listeners} messages=${stats.messagesIn}/${stats.messagesOut}`,
  );
  return { stats, heap: heapUsed + external, timers: resources.Timeout ?? 0, listeners };
}

for (let left = connections; left > 0; left -= 500) await open(Math.min(500, left));
const start = await report('full');
const until = Date.now() + seconds * 1000;
const rounds = [];
while (Date.now() < until) {
  for (let sent = 0; sent < 4000; sent++) {
    pick().send('x'.repeat(20 + Math.floor(Math.random() * 80)));
    total.sent++;
    if (sent % 10 === 0) pick().ping();
  }
  await settle();
  const leaving = Array.from({ length: Math.ceil(connections / 20) }, pick);
  for (const client of new Set(leaving)) {
    clients.delete(client);
    total.received += client.received;
    const isClean = Math.random() < 0.5;
    client.end(isClean);
    total[isClean ? 'closed' : 'vanished']++;
  }
  for (let looks = 0; (await server.state()).stats.current > clients.size; looks++) {
    if (looks > 500) throw new Error('Connections are left that have gone');
    await sleep(20);
  }
  while (clients.size < connections) await open(Math.min(500, connections - clients.size));
  rounds.push(await report(`round ${rounds.length + 1}`));
}

const end = rounds.at(-1);
const { stats } = end;
const problems = [];
const expect = (what, is, wanted) => {
  if (is !== wanted) problems.push(`${what}: ${is}, and the clients counted ${wanted}`);
};
expect('accepted', stats.accepted, total.opened);
expect('current', stats.current, clients.size);
expect('closed', stats.closed.client, total.closed + total.vanished);
expect('messages in', stats.messagesIn, total.sent);
expect('messages out', stats.messagesOut, counts());
const base = rounds[Math.min(1, rounds.length - 1)];
if (end.heap > base.heap * 1.05 + 2e6) problems.push(`memory grew from ${mb(base.heap)} to ${mb(end.heap)} MB`);
if (end.timers > start.timers + 5) problems.push(`timers grew from ${start.timers} to ${end.timers}`);
if (end.listeners > start.listeners) problems.push(`listeners grew from ${start.listeners} to ${end.listeners}`);
console.log(JSON.stringify(total));
for (const problem of problems) console.error(`PROBLEM ${problem}`);
console.log(problems.length === 0 ? 'memory is flat, and all counts agree' : `${problems.length} problems`);
server.child.kill('SIGKILL');
process.exit(problems.length === 0 ? 0 : 1);
