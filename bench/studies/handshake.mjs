/**
 * What a handshake costs: CPU time of the server process per handshake, and memory per idle connection. The servers are
 * nestjs-realtime around and through the HTTP application, plain `ws`, and Nest's WsAdapter.
 *
 *   npm run bench:handshake -- [flags]
 *
 *   --handshakes 3000   how many there are in a round
 *   --rounds 5          how many rounds there are after the one that warms up; the median is shown
 *   --idle 3000         how many idle connections the memory is measured with
 *   --help              prints this text
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags } from '../lib/flags.mjs';
import { endPair, needFiles, startPair } from '../lib/study.mjs';
import { median, table } from '../lib/tables.mjs';

const {
  values: { handshakes, rounds, idle },
} = readFlags(import.meta.filename, { handshakes: 3000, rounds: 5, idle: 3000 });

/** Handshakes under way at the same time. */
const CONCURRENCY = 50;

const YARDSTICK = "Nest's WsAdapter";
const ROWS = {
  'ws, no Nest': { name: 'ws' },
  [YARDSTICK]: { name: 'WsAdapter' },
  'middleware: false': { name: 'realtime', path: '/bare' },
  'through Express': { name: 'realtime' },
  'through Express, session': { name: 'realtime+session', hasSession: true },
  'middleware: false, Fastify': { name: 'realtime+fastify', path: '/bare' },
  'through Fastify': { name: 'realtime+fastify' },
};

/** The header with the cookie of a session that is logged in. */
async function login(port) {
  const answer = await globalThis.fetch(`http://127.0.0.1:${port}/login`);
  return `Cookie: ${answer.headers.get('set-cookie').split(';')[0]}\r\n`;
}

async function measure({ name, path = '/echo', hasSession = false }) {
  const pair = await startPair(name, { BENCH_LOG: 'error' });
  const { server, load } = pair;
  try {
    const headers = hasSession ? await login(server.port) : '';
    const clients = (count) => ({ port: server.port, path, headers, count, concurrency: CONCURRENCY });
    await load.call('shake', clients(handshakes));
    const costs = [];
    for (let round = 0; round < rounds; round++) {
      const before = await server.cpu();
      await load.call('shake', clients(handshakes));
      costs.push(((await server.cpu()) - before) / handshakes);
    }
    await sleep(1000);
    const before = await server.peer.call('memory');
    await load.call('open', clients(idle));
    await sleep(1000);
    const after = await server.peer.call('memory');
    const each = (kind) => (after[kind] - before[kind]) / idle / 1024;
    return { cpu: median(costs), heap: each('heap'), rss: each('rss') };
  } finally {
    await endPair(pair);
  }
}

needFiles(idle);
console.log(`${rounds} rounds of ${handshakes} handshakes, ${CONCURRENCY} at a time; ${idle} idle connections\n`);
const results = [];
for (const [title, row] of Object.entries(ROWS)) results.push({ title, ...row, ...(await measure(row)) });
const yardstick = results.find(({ title }) => title === YARDSTICK).cpu;
const cells = results.map(({ title, hasSession, cpu, heap, rss }) => [
  hasSession ? `${title}*` : title,
  `${cpu.toFixed(0)} µs`,
  (cpu / yardstick).toFixed(2),
  `${heap.toFixed(1)} KiB`,
  `${rss.toFixed(1)} KiB`,
]);
console.log(table(['', 'CPU per handshake', 'of WsAdapter', 'heap per idle', 'RSS per idle'], cells));
console.log('\n* with the cookie of a session that is logged in');
