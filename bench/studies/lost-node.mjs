/**
 * One of several nodes is killed with SIGKILL, under clients of the library that hear a numbered stream. They come back
 * on the other nodes and recover there. The study fails when a number is lost or comes twice, or when the nodes that are
 * left have read more histories than there are rooms, each once: not one per client.
 *
 *   npm run bench:lost-node -- [flags]
 *
 *   --clients 10000  how many clients are connected
 *   --nodes 3        how many nodes there are
 *   --rooms 100      how many rooms there are; each client is in one
 *   --every 5        each room gets a number so often, in seconds
 *   --processes 4    how many processes the clients are spread over
 *   --help           prints this text
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags } from '../lib/flags.mjs';
import { seconds, startClients, stateOf, until } from '../lib/library-clients.mjs';
import { startNginx } from '../lib/nginx.mjs';
import { freePort } from '../lib/ports.mjs';
import { startRedis } from '../lib/redis.mjs';
import { conclude, needFiles, startServer } from '../lib/study.mjs';

const {
  values: { clients: count, nodes, rooms, every, processes },
} = readFlags(import.meta.filename, { clients: 10_000, nodes: 3, rooms: 100, every: 5, processes: 4 });

needFiles(count);
const redis = await startRedis();
const env = { BENCH_LOG: 'error', REALTIME_APP: 'lost', REALTIME_REDIS_URL: redis.url };
const startNode = (port) => startServer('streams', { env: { ...env, BENCH_PORT: String(port) } });
const ports = [];
for (let i = 0; i < nodes; i++) ports.push(await freePort());
const running = await Promise.all(ports.map(startNode));
const publisher = await startNode(0);
// Each of them holds two open files for a client
const proxies = [await startNginx(ports), await startNginx(ports)];
const plan = Array.from({ length: count }, (_, index) => ({
  url: `${proxies[index % 2].url}/streams`,
  ...{ room: Math.floor(index / 2) % rooms, transport: 'websocket' },
}));
const loads = await startClients(plan, processes);
await publisher.peer.call('startStreams', { count: rooms, everyMs: every * 1000 });
await sleep(1.5 * every * 1000);

const historyOf = async (nodes) => {
  const all = await Promise.all(nodes.map(({ peer }) => peer.call('stats')));
  const of = (name) => all.reduce((sum, { history }) => sum + history[name], 0);
  return { reads: of('reads'), recovered: of('recovered'), notRecovered: of('notRecovered') };
};
const [lost, ...left] = running;
const { current } = await lost.peer.call('stats');
const before = await historyOf(left);
const since = performance.now();
await lost.peer.end();
await until('all clients to be back', async () => (await stateOf(loads)).backAt.length >= current, 120_000);
const backMs = performance.now() - since;
const last = await publisher.peer.call('stopStreams');
await until('the last numbers', async () => (await stateOf(loads, last)).whole === count, 60_000);
const after = await historyOf(left);
const state = await stateOf(loads, last);
await Promise.all([...loads.map((load) => load.end()), ...[...left, publisher].map(({ peer }) => peer.end())]);
await Promise.all([...proxies.map((proxy) => proxy.end()), redis.end()]);

const reads = after.reads - before.reads;
const bound = rooms * left.length;
console.log(
  `${count} clients in ${rooms} rooms; the node that was killed had ${current}, and they were back after ${seconds(backMs)}`,
);
console.log(
  `the nodes that were left: ${reads} reads (bound ${bound}), ${after.recovered - before.recovered} clients recovered`,
);
console.log(
  `${state.received} numbers were received: ${state.lost} lost, ${state.repeated + state.duplicates} repeated`,
);
conclude(
  [
    [reads > bound, `${reads} histories were read, and the bound is ${bound}`],
    [state.lost > 0, `${state.lost} numbers were lost`],
    [state.repeated + state.duplicates > 0, `${state.repeated + state.duplicates} numbers came twice`],
    [Object.keys(state.gaps).length > 0, `clients were told of gaps: ${JSON.stringify(state.gaps)}`],
    [state.whole !== count, `${state.whole} of ${count} clients are open and have the last number`],
  ]
    .filter(([is]) => is)
    .map(([, text]) => text),
  'nothing was lost, nothing came twice, and a room was read once for all of its clients',
);
