/**
 * What it costs that a client arrives: CPU time of the server process per handshake, and per life of a connection (open,
 * one echo, closing handshake), as ratios to plain `ws`. Every server runs in several processes, one after the other in
 * turns, because one process differs from the next by more than most changes bring.
 *
 *   npm run bench:arrivals -- [flags] [/another/checkout …]
 *
 *   --processes 5      how many processes of every server there are; the median is shown
 *   --clients 3000     how many clients a figure is made of, after as many that warm up
 *   --servers a,b      these rows only: express, bare, fastify, fastify-bare
 *   --help             prints this text
 *
 * The library of other checkouts, installed and built there, is measured in the same turns.
 */
import { basename } from 'node:path';
import { readFlags } from '../lib/flags.mjs';
import { endPair, needFiles, startPair } from '../lib/study.mjs';
import { median, table } from '../lib/tables.mjs';

const {
  values: { processes, clients, servers },
  positionals: checkouts,
} = readFlags(
  import.meta.filename,
  { processes: 5, clients: 3000, servers: 'express,bare,fastify,fastify-bare' },
  { allowPositionals: true },
);

const ROWS = {
  express: { title: 'through Express', name: 'realtime', path: '/echo' },
  bare: { title: 'middleware: false', name: 'realtime', path: '/bare' },
  fastify: { title: 'through Fastify', name: 'realtime+fastify', path: '/echo' },
  'fastify-bare': { title: 'middleware: false, Fastify', name: 'realtime+fastify', path: '/bare' },
};

/** Clients under way at the same time. */
const CONCURRENCY = 32;

const PAYLOAD = 'x'.repeat(64);

/** @returns the CPU time per client of one process, in microseconds */
async function measure({ name, path, checkout = '' }) {
  const pair = await startPair(name, { BENCH_CHECKOUT: checkout });
  const { server, load } = pair;
  const args = { port: server.port, path, count: clients, concurrency: CONCURRENCY, isAwake: true, payload: PAYLOAD };
  const cost = async (verb) => {
    const before = await server.cpu();
    await load.call(verb, args);
    return ((await server.cpu()) - before) / clients;
  };
  try {
    await cost('live');
    const life = await cost('live');
    await cost('open');
    await load.call('close');
    const handshake = await cost('open');
    return { handshake, life };
  } finally {
    await endPair(pair);
  }
}

needFiles(clients);
const rows = [{ title: 'ws', name: 'ws', path: '/echo', figures: [] }];
for (const key of servers.split(',')) {
  rows.push({ ...ROWS[key], figures: [] });
  for (const checkout of checkouts)
    rows.push({ ...ROWS[key], title: `${ROWS[key].title}, ${basename(checkout)}`, checkout, figures: [] });
}
for (let turn = 0; turn < processes; turn++) for (const row of rows) row.figures.push(await measure(row));

const [yardstick] = rows;
const of = ({ figures }, figure) => median(figures.map((each) => each[figure]));
const ratio = ({ figures }, figure) =>
  median(figures.map((each, turn) => each[figure] / yardstick.figures[turn][figure]));
const cells = rows.map((row) => [
  row.title,
  ...['handshake', 'life'].flatMap((figure) => [`${of(row, figure).toFixed(0)} µs`, ratio(row, figure).toFixed(2)]),
]);
console.log(table([`median of ${processes} processes`, 'handshake', '× ws', 'life', '× ws'], cells));
