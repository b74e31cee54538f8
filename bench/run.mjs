/**
 * npm run bench -- [case …] [--rounds 7] [--seconds 1] [--quick] [--servers ws,realtime] [--check] [--no-build]
 * Every server is a process of its own on a core of its own, the load another; servers take turns; medians are shown.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { cases } from './cases.mjs';
import { check, CHECKED, checkedOn } from './lib/check.mjs';
import { canRun, contestants, contestantsOf, startLoad, startServer } from './lib/contestants.mjs';
import { prepare } from './lib/install.mjs';
import { canPin, CORES } from './lib/peer.mjs';
import { caseTable, medians } from './lib/tables.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    servers: { type: 'string' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench/results/latest.json' },
  },
});

/** The versions that were installed, whatever the ranges in package.json allow. */
function versions() {
  const names = ['ws', '@nestjs/core', '@nestjs/platform-ws', 'socket.io', '@oven/bun-linux-x64'];
  const found = names.map((name) => {
    const file = new URL(`./servers/node_modules/${name}/package.json`, import.meta.url);
    return existsSync(file) ? [name, JSON.parse(readFileSync(file, 'utf8')).version] : [name, 'none'];
  });
  return Object.fromEntries(found);
}

function machine() {
  const system = `${cpus()[0].model} × ${cpus().length}, ${release()}`;
  return { date: new Date().toISOString(), node: process.version, ...versions(), system, isPinned: canPin };
}

async function start(name) {
  const server = await startServer(name, CORES.server);
  return { name, server, load: await startLoad(CORES.load) };
}

const end = ({ server, load }) => Promise.all([server.peer.end(), load.end()]);

/** @returns undefined, and says why, where a server fails: the others go on */
async function attempt(name, task) {
  try {
    return await task();
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    return undefined;
  }
}

/** Turns with new processes each. */
async function freshTurns(spec, names, { rounds, ...rest }, results) {
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const context = await attempt(name, () => start(name));
      if (!context) continue;
      const figures = await attempt(name, () => spec.measure({ ...context, ...rest }));
      if (figures) results[name].push(figures);
      await end(context);
    }
  }
}

/**
 * Until the compiler has done its work: that takes messages, not seconds, and on a busy machine the server with more code
 * would be measured while it is still interpreted.
 */
async function warm(spec, context, { messages, seconds }) {
  const until = performance.now() + seconds * 1000;
  for (let seen = 0; seen < messages && performance.now() < until;) {
    const figures = await spec.measure({ ...context, seconds: 1 });
    seen += figures['per s'] ?? messages;
  }
}

/** Turns of servers that all stay up: warm, and near enough in time that a busy neighbour disturbs them alike. */
async function turns(spec, names, { rounds, warmUp, ...rest }, results) {
  const contexts = [];
  try {
    for (const name of names) {
      const started = await attempt(name, () => start(name));
      if (!started) continue;
      const context = { ...started, ...rest };
      contexts.push(context);
      await attempt(name, () => spec.open?.(context));
      await attempt(name, () => warm(spec, context, warmUp));
    }
    for (let round = 0; round < rounds; round++) {
      for (const context of contexts) {
        const figures = await attempt(context.name, () => spec.measure(context));
        if (figures) results[context.name].push(figures);
      }
    }
  } finally {
    await Promise.all(contexts.map(end));
  }
}

async function runCase(spec, wanted, settings) {
  const names = contestantsOf(spec).filter((name) => canRun(name) && (!wanted || wanted.includes(name)));
  const results = Object.fromEntries(names.map((name) => [name, []]));
  await (spec.isFresh ? freshTurns : turns)(spec, names, settings, results);
  return Object.fromEntries(Object.entries(results).filter(([, runs]) => runs.length > 0));
}

async function runAll(names, settings, about) {
  const all = {};
  for (const name of names) {
    const servers = options.servers?.split(',') ?? (options.check ? checkedOn(name) : undefined);
    const results = await runCase(cases[name], servers, settings);
    if (Object.keys(results).length === 0) continue;
    all[name] = results;
    console.log(`\n### ${name}: ${cases[name].title}\n`);
    console.log(caseTable(cases[name], results, (server) => contestants[server].title));
    save(all, about);
  }
  return all;
}

function save(all, about) {
  const figures = Object.entries(all).map(([name, results]) => {
    const shown = Object.entries(results).map(([server, runs]) => [server, { ...medians(runs), runs }]);
    return [name, Object.fromEntries(shown)];
  });
  mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify({ ...about, cases: Object.fromEntries(figures) }, null, 2)}\n`);
}

const wanted = positionals.length > 0 ? positionals : options.check ? CHECKED : Object.keys(cases);
const unknown = wanted.filter((name) => !(name in cases));
if (unknown.length > 0 || options.list) {
  if (unknown.length > 0) console.error(`There is no case ${unknown.join(', ')}.`);
  for (const [name, { title }] of Object.entries(cases)) console.log(`${name.padEnd(22)} ${title}`);
  process.exit(unknown.length > 0 ? 1 : 0);
}

prepare({ builds: !options['no-build'] });
const about = machine();
console.log(
  Object.entries(about)
    .map(([key, value]) => `${key}=${value}`)
    .join('  '),
);
const isQuick = options.quick || options.check;
const rounds = Number(options.rounds);
const warmUp = { messages: 200_000, seconds: isQuick ? 4 : 15 };
const all = await runAll(wanted, { rounds, warmUp, seconds: Number(options.seconds), isQuick }, about);
console.log(`\nWritten to ${options.out}`);
if (options.check && !check(all)) process.exitCode = 1;
