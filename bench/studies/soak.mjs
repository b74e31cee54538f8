/**
 * Connections with mixed traffic that vanish and come back at random. The study fails unless memory is flat, no timer
 * and no listener is left over, and `stats()` counts what the clients counted.
 *
 *   npm run bench:soak -- [flags]
 *
 *   --connections 10000   how many clients are connected
 *   --seconds 60          how long new rounds begin
 *   --help                prints this text
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openClients } from '../lib/client.mjs';
import { readFlags } from '../lib/flags.mjs';
import { conclude, needFiles, startServer } from '../lib/study.mjs';

const {
  values: { connections, seconds },
} = readFlags(import.meta.filename, { connections: 10_000, seconds: 60 });

/** Messages in a round; every tenth comes with a ping. */
const MESSAGES = 4000;
/** One of this many clients leaves in a round. */
const LEAVING = 20;

needFiles(connections);
const server = await startServer('realtime', { env: { BENCH_LOG: 'error' } });
const clients = new Set();
const total = { opened: 0, sent: 0, received: 0, vanished: 0, closed: 0 };

const pick = () => [...clients][Math.floor(Math.random() * clients.size)];
const mb = (bytes) => Math.round(bytes / 1e5) / 10;
const counts = () => [...clients].reduce((sum, { received }) => sum + received, total.received);

async function fill() {
  const count = connections - clients.size;
  await openClients(count, { port: server.port, path: '/echo' }, (client) => clients.add(client));
  total.opened += count;
}

/** Sends messages and waits for their echoes, so that a client that vanishes takes no message with it. */
async function talk() {
  for (let sent = 0; sent < MESSAGES; sent++) {
    pick().send('x'.repeat(20 + Math.floor(Math.random() * 80)));
    total.sent++;
    if (sent % 10 === 0) pick().ping();
  }
  for (let looks = 0; counts() < total.sent; looks++) {
    if (looks > 1000) throw new Error(`${total.sent} messages were sent and ${counts()} were echoed`);
    await sleep(10);
  }
}

/** Some clients close their connection, others cut it. */
async function leave() {
  const leaving = Array.from({ length: Math.ceil(connections / LEAVING) }, pick);
  for (const client of new Set(leaving)) {
    clients.delete(client);
    total.received += client.received;
    const isClean = Math.random() < 0.5;
    void (isClean ? client.leave() : client.reset());
    total[isClean ? 'closed' : 'vanished']++;
  }
  for (let looks = 0; (await server.peer.call('stats')).current > clients.size; looks++) {
    if (looks > 500) throw new Error('The server still counts connections that have gone');
    await sleep(20);
  }
}

async function report(what) {
  const { rss, heap, external } = await server.peer.call('memory');
  const { timers, listeners } = await server.peer.call('resources');
  const stats = await server.peer.call('stats');
  console.log(
    `${what}: current=${stats.current} heap=${mb(heap - external)}MB external=${mb(external)}MB rss=${mb(rss)}MB ` +
      `timers=${timers} listeners=${listeners} messages=${stats.messagesIn}/${stats.messagesOut}`,
  );
  return { stats, heap, timers, listeners };
}

function* problemsOf(start, rounds) {
  const end = rounds.at(-1);
  const pairs = [
    ['accepted', end.stats.accepted, total.opened],
    ['current', end.stats.current, clients.size],
    ['closed', end.stats.closed.client, total.closed + total.vanished],
    ['messages in', end.stats.messagesIn, total.sent],
    ['messages out', end.stats.messagesOut, counts()],
  ];
  for (const [what, found, counted] of pairs) {
    if (found !== counted) yield `${what}: the server counted ${found}, and the clients counted ${counted}`;
  }
  const base = rounds[Math.min(1, rounds.length - 1)];
  if (end.heap > base.heap * 1.05 + 2e6) yield `memory grew from ${mb(base.heap)} to ${mb(end.heap)} MB`;
  if (end.timers > start.timers + 5) yield `timers grew from ${start.timers} to ${end.timers}`;
  if (end.listeners > start.listeners) yield `listeners grew from ${start.listeners} to ${end.listeners}`;
}

await fill();
const start = await report('full');
const until = Date.now() + seconds * 1000;
const rounds = [];
while (Date.now() < until) {
  await talk();
  await leave();
  await fill();
  rounds.push(await report(`round ${rounds.length + 1}`));
}
console.log(JSON.stringify(total));
const problems = [...problemsOf(start, rounds)];
await server.peer.end();
conclude(problems, 'memory is flat, and all counts agree');
