/**
 * Idle connections and pushes to everyone: memory per connection, and the time until the last client has a push.
 *
 *   npm run bench:idle -- [flags]
 *
 *   --connections 10000   how many clients are connected
 *   --bytes 128           length of a push
 *   --pushes 5            how many pushes there are; the first is shown on its own, because the server is cold
 *   --help                prints this text
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags } from '../lib/flags.mjs';
import { endPair, needFiles, startPair } from '../lib/study.mjs';
import { median, table } from '../lib/tables.mjs';

const {
  values: { connections, bytes, pushes },
} = readFlags(import.meta.filename, { connections: 10_000, bytes: 128, pushes: 5 });

/** With these settings no ping and no check of the heartbeat falls into the study. */
const SETTINGS = {
  BENCH_LOG: 'error',
  REALTIME_HEARTBEAT_PING_INTERVAL: '300',
  REALTIME_HEARTBEAT_IDLE_TIME: '600',
  REALTIME_HEARTBEAT_CHECK_INTERVAL: '60',
};

async function pushOnce({ server, load }) {
  await load.call('watch');
  await server.peer.call('watchLoop');
  const { startedAt, callMs } = await server.peer.call('push', { text: 'x'.repeat(bytes) });
  const { messages, lastAt } = await load.call('arrived');
  if (messages !== connections) throw new Error(`${messages} of ${connections} messages arrived`);
  // A push goes on in later turns of the loop, and they are a part of its delay
  await sleep(1000);
  const { max } = await server.peer.call('loop');
  return { lastMs: lastAt - startedAt, callMs, loopMaxMs: max };
}

async function measure(pair) {
  const { server, load } = pair;
  const empty = await server.peer.call('memory');
  const args = { port: server.port, path: '/echo', count: connections, concurrency: 200 };
  const { seconds } = await load.call('open', args);
  const open = await server.peer.call('count');
  if (open !== connections) throw new Error(`${open} of ${connections} connections are open`);
  const full = await server.peer.call('memory');
  const rounds = [];
  for (let round = 0; round < pushes; round++) rounds.push(await pushOnce(pair));
  const each = (of) => Math.round((of(full) - of(empty)) / connections);
  const bytesPerConnection = {
    rss: each(({ rss }) => rss),
    heapUsed: each(({ heap, external }) => heap - external),
    external: each(({ external }) => external),
  };
  return { empty, full, seconds, bytesPerConnection, rounds };
}

function report({ empty, full, seconds, bytesPerConnection, rounds }) {
  const [first, ...later] = rounds;
  const ms = (value) => (Number.isNaN(value) ? '–' : `${value.toFixed(1)} ms`);
  const ofLater = (name) => ms(median(later.map((round) => round[name])));
  const megabytes = (value) => `${(value / 1e6).toFixed(1)} MB`;
  const { rss, heapUsed, external } = bytesPerConnection;
  const rows = [
    ['idle connections', String(connections)],
    ['handshakes per second', String(Math.round(connections / seconds))],
    ['memory of the process (RSS)', `${megabytes(empty.rss)} → ${megabytes(full.rss)}`],
    ['RSS per connection', `${rss} B`],
    ['heap per connection, after gc', `${heapUsed} B`],
    ['external per connection', `${external} B`],
    [`first push of ${bytes} B, to the last client`, ms(first.lastMs)],
    ['first push, the call itself', ms(first.callMs)],
    ['first push, longest event-loop delay', ms(first.loopMaxMs)],
    [`median of ${later.length} more, to the last client`, ofLater('lastMs')],
    [`median of ${later.length} more, longest event-loop delay`, ofLater('loopMaxMs')],
  ];
  console.log(table(['', 'value'], rows));
  console.log(JSON.stringify({ node: process.version, connections, bytes, seconds, bytesPerConnection, rounds }));
}

needFiles(connections);
const pair = await startPair('realtime', SETTINGS);
try {
  report(await measure(pair));
} finally {
  await endPair(pair);
}
