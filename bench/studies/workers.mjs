/**
 * A push to four workers of one host, beside one process with all the members, four nodes over Redis, and four workers of
 * Socket.IO with its cluster adapter: CPU time of all server processes per delivery. The room has as many members in each
 * case. Socket.IO comes from bench/servers, which the first run installs.
 *
 *   npm run bench:workers -- [flags]
 *
 *   --rounds 3     how many times each load runs; figures are medians
 *   --seconds 3    how long each load runs
 *   --help         prints this text
 *
 * It needs redis-server 7.0 or later.
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientsOf, cpuOf, OURS } from '../lib/cluster-nodes.mjs';
import { contestants, startLoad, startServer as contestant } from '../lib/contestants.mjs';
import { readFlags } from '../lib/flags.mjs';
import { prepare } from '../lib/install.mjs';
import { CORES } from '../lib/peer.mjs';
import { startRedis } from '../lib/redis.mjs';
import { needFiles, startServer } from '../lib/study.mjs';
import { medians, show, table } from '../lib/tables.mjs';

const {
  values: { rounds, seconds },
} = readFlags(import.meta.filename, { rounds: 3, seconds: 3 });

const MEMBERS = 300;
const WORKERS = 4;
const FANS = {
  '64 B, 1': { name: 'small', inFlight: 1 },
  '5 KB, 1': { name: 'large', inFlight: 1 },
  '64 B, 8': { name: 'small', inFlight: 8 },
};

const SOCKET_IO = 'workers+socketio';

/** Its workers share a port, over which its primary spreads the clients. */
async function startSocketIo() {
  const load = await startLoad();
  const server = await contestant(SOCKET_IO, { core: CORES.server });
  await load.call('open', clientsOf(SOCKET_IO, server, 'room=hall', MEMBERS));
  return { name: SOCKET_IO, nodes: [server], load, end: () => Promise.all([server.peer.stop(), load.end()]) };
}

async function start(count, broker) {
  const env = { REALTIME_APP: `bench-${process.pid}`, BENCH_LOG: 'error', ...broker };
  const startOne = () => startServer(OURS, { core: CORES.server, env });
  const load = await startLoad();
  const nodes = await Promise.all(Array.from({ length: count }, startOne));
  for (const node of nodes) await load.call('open', clientsOf(OURS, node, 'room=hall', MEMBERS / count));
  return { name: OURS, nodes, load, end: () => Promise.all([...nodes.map(({ peer }) => peer.stop()), load.end()]) };
}

/** @returns deliveries per second of CPU time, over all processes */
async function fan({ name: side, nodes, load }, { name, inFlight }, lasting = seconds) {
  const before = await cpuOf(nodes);
  const trigger = contestants[side].trigger(name);
  const { messages } = await load.call('fan', { trigger, inFlight, seconds: lasting });
  return messages / (((await cpuOf(nodes)) - before) / 1e6);
}

needFiles(1500);
prepare({ builds: false });
const redis = await startRedis();
const sides = {
  'one process': await start(1, { REALTIME_BROKER: 'memory' }),
  [`${WORKERS} workers`]: await start(WORKERS, { REALTIME_BROKER: 'workers' }),
  [`${WORKERS} nodes over Redis`]: await start(WORKERS, { REALTIME_REDIS_URL: redis.url }),
  [`${WORKERS} workers of Socket.IO`]: await startSocketIo(),
};
try {
  await sleep(500);
  console.log(`load of the machine: ${loadavg().map(show).join(' ')}`);
  for (const side of Object.values(sides)) for (const args of Object.values(FANS)) await fan(side, args, seconds / 2);
  const runs = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const figures = Object.fromEntries(Object.keys(sides).map((name) => [name, {}]));
    for (const [title, args] of Object.entries(FANS))
      for (const [name, side] of Object.entries(sides)) figures[name][title] = await fan(side, args);
    for (const name of Object.keys(sides)) runs[name].push(figures[name]);
  }
  const rows = Object.entries(runs).map(([name, all]) => [name, ...Object.values(medians(all)).map(show)]);
  console.log(`\nOne room of ${MEMBERS}, deliveries per CPU-second by size and pushes in flight`);
  console.log(table(['', ...Object.keys(FANS)], rows));
  console.log(`\nload of the machine: ${loadavg().map(show).join(' ')}`);
} finally {
  await Promise.all(Object.values(sides).map((side) => side.end()));
  await redis.end();
}
process.exit();
