/**
 * A rolling restart of several nodes behind nginx, under clients of the library that hear a numbered stream: each node
 * gets SIGTERM, ends, and a new process takes its port; then the next one. The study fails when a number is lost or
 * comes twice, when a client is told of a gap or gives up, or when more come back within a second than the rate allows.
 *
 *   npm run bench:deploy:nodes -- [flags]
 *
 *   --clients 5000   how many clients are connected
 *   --nodes 3        how many nodes there are
 *   --rooms 100      how many rooms there are; each client is in one
 *   --every 2        each room gets a number so often, in seconds
 *   --requests 10    how many percent of the clients use SSE; as many use long polling, the others a WebSocket
 *   --rate 500       how many clients may come back within a second
 *   --delay 1        REALTIME_SHUTDOWN_DELAY, in seconds
 *   --processes 3    how many processes the clients are spread over
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

const { values } = readFlags(import.meta.filename, {
  ...{ clients: 5000, nodes: 3, rooms: 100, every: 2, requests: 10, rate: 500, delay: 1, processes: 3 },
});
const { clients: count, nodes, rooms, every, requests, rate, delay, processes } = values;

/** The largest part of the clients that one node has: all of two nodes but their share of the first wave. */
const wave = Math.ceil(count * (nodes > 1 ? 1 - 1 / (nodes + 1) : 1));
/** Clients of one node are spread over twice the time that the rate needs for them. */
const spread = (2 * wave) / rate;

const redis = await startRedis();
const env = {
  BENCH_LOG: 'error',
  REALTIME_APP: 'deploy',
  REALTIME_REDIS_URL: redis.url,
  REALTIME_RECONNECT_SPREAD: String(spread),
  REALTIME_SHUTDOWN_DELAY: String(delay),
  REALTIME_MAX_CONNECTION_RATE: '1000000',
};
const startNode = (port) => startServer('streams', { env: { ...env, BENCH_PORT: String(port) } });

const share = (index) => (index % 100 < requests ? 'sse' : index % 100 < 2 * requests ? 'polling' : 'websocket');

/** The most clients that came back within any second. */
function peakOf(times) {
  times.sort((one, other) => one - other);
  let first = 0;
  return times.reduce((peak, at, index) => {
    while (times[first] <= at - 1000) first++;
    return Math.max(peak, index - first + 1);
  }, 0);
}

needFiles(2 * count);
const ports = [];
for (let i = 0; i < nodes; i++) ports.push(await freePort());
const running = await Promise.all(ports.map(startNode));
const publisher = await startNode(0);
const nginx = await startNginx(ports);
const url = `${nginx.url}/streams`;
const plan = Array.from({ length: count }, (_, index) => ({ url, room: index % rooms, transport: share(index) }));
const loads = await startClients(plan, processes);
await publisher.peer.call('startStreams', { count: rooms, everyMs: every * 1000 });
console.log(
  `${count} clients are connected to ${nodes} nodes; those of one node come back within ${seconds(spread * 1000)}`,
);
await sleep(2 * every * 1000);

const start = performance.now();
for (const [index, node] of running.entries()) {
  const since = performance.now();
  const { current } = await node.peer.call('stats');
  const how = await node.peer.stop();
  const endedMs = performance.now() - since;
  running[index] = await startNode(ports[index]);
  await until('all clients to be back', async () => (await stateOf(loads)).open === count, 120_000 + spread * 2000);
  const backMs = performance.now() - since;
  console.log(
    `node ${index + 1} with ${current}: ended after ${seconds(endedMs)} (${how}), all back after ${seconds(backMs)}`,
  );
}
console.log(`the rolling restart took ${seconds(performance.now() - start)}`);

const last = await publisher.peer.call('stopStreams');
await until('the last numbers', async () => (await stateOf(loads, last)).whole === count, 60_000);
const state = await stateOf(loads, last);
const peak = peakOf(state.backAt);
const pushed = last.reduce((sum, number) => sum + number, 0);
const all = await Promise.all(running.map(({ peer }) => peer.call('stats')));
const history = (name) => all.reduce((sum, stats) => sum + stats.history[name], 0);
await Promise.all([...loads.map((load) => load.end()), ...[...running, publisher].map(({ peer }) => peer.end())]);
await Promise.all([nginx.end(), redis.end()]);

console.log(
  `${pushed} numbers were pushed, ${state.received} were received: ${state.lost} lost, ${state.repeated} repeated`,
);
console.log(`${state.backAt.length} reconnects, at most ${peak} within a second; the bound is ${rate}`);
console.log(
  `the nodes at the end: recovered=${history('recovered')} reads=${history('reads')} gaps=${history('gaps')}`,
);
conclude(
  [
    [state.lost > 0, `${state.lost} numbers were lost`],
    [state.repeated + state.duplicates > 0, `${state.repeated + state.duplicates} numbers came twice`],
    [Object.keys(state.gaps).length > 0, `clients were told of gaps: ${JSON.stringify(state.gaps)}`],
    [Object.keys(state.closed).length > 0, `clients gave up: ${JSON.stringify(state.closed)}`],
    [state.whole !== count, `${state.whole} of ${count} clients are open and have the last number`],
    [state.backAt.length < count, `only ${state.backAt.length} reconnects were seen`],
    [peak > rate, `${peak} came back within one second, and the bound is ${rate}`],
  ]
    .filter(([is]) => is)
    .map(([, text]) => text),
  'nothing was lost, nothing came twice, and the peak is within its bound',
);
