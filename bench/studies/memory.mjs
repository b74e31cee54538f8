/**
 * What an idle connection keeps in memory, beside `ws`: the heap and the resident memory that each kind of connection adds, and
 * the objects and listeners of which one consists.
 *
 *   npm run bench:memory -- [flags]
 *
 *   --connections 5000   how many connections of a kind are opened
 *   --rounds 3           how many processes each kind has; the median is shown
 *   --help               prints this text
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags } from '../lib/flags.mjs';
import { endPair, needFiles, startPair } from '../lib/study.mjs';
import { median, table } from '../lib/tables.mjs';

const {
  values: { connections, rounds },
} = readFlags(import.meta.filename, { connections: 5000, rounds: 3 });

/** With these settings no ping and no check of the heartbeat falls into the study. */
const SETTINGS = {
  BENCH_LOG: 'error',
  REALTIME_HEARTBEAT_PING_INTERVAL: '300',
  REALTIME_HEARTBEAT_IDLE_TIME: '600',
  REALTIME_HEARTBEAT_CHECK_INTERVAL: '60',
};

const KINDS = {
  ws: { server: 'ws', path: 'echo' },
  "Nest's WsAdapter": { server: 'WsAdapter', path: 'echo' },
  'around the application': { server: 'memory', path: 'around' },
  'through Express': { server: 'memory', path: 'through' },
  'in a room with all others': { server: 'memory', path: 'room' },
  'in a room of its own': { server: 'memory', path: 'own-room' },
  'in 20 rooms with all others': { server: 'memory', path: 'rooms-20' },
  'with a user of its own': { server: 'memory', path: 'user' },
  'with a session (express-session)': { server: 'memory+session', path: 'through', hasSession: true },
};

async function login(port) {
  const answer = await globalThis.fetch(`http://127.0.0.1:${port}/login`);
  return `Cookie: ${answer.headers.get('set-cookie').split(';')[0]}\r\n`;
}

/** Opens connections of a kind in a new process, after others have made the code warm. */
async function open({ server: name, path, hasSession }, use) {
  const pair = await startPair(name, SETTINGS);
  const { server, load } = pair;
  try {
    const headers = hasSession ? await login(server.port) : '';
    const clients = (count) => ({ port: server.port, path: `/${path}?i={i}`, headers, count });
    await load.call('open', clients(500));
    await load.call('close');
    await sleep(500);
    return await use(server, async () => {
      await load.call('open', clients(connections));
      await sleep(1000);
    });
  } finally {
    await endPair(pair);
  }
}

const bytesOf = (kind) =>
  open(kind, async ({ peer }, fill) => {
    const before = await peer.call('memory');
    await fill();
    const after = await peer.call('memory');
    return { heap: (after.heap - before.heap) / connections, rss: (after.rss - before.rss) / connections };
  });

const partsOf = (kind) =>
  open(kind, async ({ peer }, fill) => {
    const before = await peer.call('objects');
    await fill();
    const after = await peer.call('objects');
    const each = (name, of) => ((after[name]?.[of] ?? 0) - (before[name]?.[of] ?? 0)) / connections;
    const names = Object.keys(after).filter((name) => each(name, 'count') >= 0.5);
    const objects = names.map((name) => [name, each(name, 'count'), each(name, 'bytes')]);
    const listeners = Object.entries(await peer.call('listeners')).map(([name, count]) => [name, count / connections]);
    return { objects, listeners };
  });

async function compareKinds() {
  const rows = [];
  let ws;
  for (const [title, kind] of Object.entries(KINDS)) {
    const runs = [];
    for (let round = 0; round < rounds; round++) runs.push(await bytesOf(kind));
    const of = (name) => median(runs.map((run) => run[name]));
    ws ??= { heap: of('heap'), rss: of('rss') };
    rows.push([title, of('heap').toFixed(0), (of('heap') / ws.heap).toFixed(2), of('rss').toFixed(0)]);
  }
  console.log(table(['an idle connection', 'heap, bytes', '× ws', 'RSS, bytes'], rows));
}

async function showParts(title) {
  const { objects, listeners } = await partsOf(KINDS[title]);
  const rows = objects
    .sort(([, , a], [, , b]) => b - a)
    .map(([name, count, bytes]) => [name, count.toFixed(1), bytes.toFixed(0)]);
  console.log(`\n### Objects of a connection: ${title}\n`);
  console.log(table(['class', 'objects', 'bytes'], rows));
  const names = listeners.filter(([, count]) => count >= 0.5).map(([name, count]) => `${name} ${count.toFixed(0)}`);
  console.log(`\nListeners on its network socket: ${names.join(', ')}`);
}

needFiles(connections);
console.log(`${connections} connections of each kind, medians of ${rounds} processes\n`);
await compareKinds();
for (const title of ['ws', 'around the application', 'through Express']) await showParts(title);
