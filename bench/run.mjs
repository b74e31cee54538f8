/**
 * Our server and its peers, measured side by side: every server is a process of its own on a core of its own, the load
 * is another, the servers take turns, and medians are shown.
 *
 *   npm run bench -- [case …] [flags]
 *
 *   --list            prints the cases, and measures nothing
 *   --servers a,b     measures these servers only
 *   --rounds 7        how many turns each server has
 *   --seconds 1       length of a turn
 *   --quick           shorter warm-up, fewer connections
 *   --check           the short subset against bench/ratios.json; the exit code is 1 when a ratio is above its bound
 *   --no-build        takes the library as it was built last
 *   --out file.json   where all figures go; bench/results/latest.json by default
 *   --help            prints this text
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { cases } from './cases.mjs';
import { check, CHECKED, checkedOn } from './lib/check.mjs';
import { canRun, contestants, contestantsOf, endPair, startPair } from './lib/contestants.mjs';
import { readFlags } from './lib/flags.mjs';
import { prepare } from './lib/install.mjs';
import { canPin } from './lib/peer.mjs';
import { caseTable, medians } from './lib/tables.mjs';

const { values: options, positionals } = readFlags(
  import.meta.filename,
  {
    rounds: 7,
    seconds: 1,
    servers: undefined,
    quick: false,
    check: false,
    list: false,
    'no-build': false,
    out: 'bench/results/latest.json',
  },
  { allowPositionals: true },
);

/** The installed versions of the peers. */
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

/** Runs a task of one server. @returns undefined when it fails; the error is logged, and the other servers go on */
async function attempt(name, task) {
  try {
    return await task();
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    return undefined;
  }
}

/** Measures every turn in new processes. */
async function freshTurns(spec, names, { rounds, ...rest }, results) {
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const context = await attempt(name, () => startPair(name));
      if (!context) continue;
      const figures = await attempt(name, () => spec.measure({ ...context, ...rest }));
      if (figures) results[name].push(figures);
      await endPair(context);
    }
  }
}

/**
 * Runs the load until the compiler has done its work. That takes messages, not seconds: on a busy machine the server
 * with more code would be measured while it is still interpreted.
 */
async function warm(spec, context, { messages, seconds }) {
  const until = performance.now() + seconds * 1000;
  for (let seen = 0; seen < messages && performance.now() < until;) {
    const figures = await spec.measure({ ...context, seconds: 1 });
    seen += figures['per s'] ?? messages;
  }
}

/** Measures servers that all stay up in turns: they are warm, and a busy neighbour disturbs them alike. */
async function turns(spec, names, { rounds, warmUp, ...rest }, results) {
  const contexts = [];
  try {
    for (const name of names) {
      const started = await attempt(name, () => startPair(name));
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
    await Promise.all(contexts.map(endPair));
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
const { rounds, seconds } = options;
const warmUp = { messages: 200_000, seconds: isQuick ? 4 : 15 };
const all = await runAll(wanted, { rounds, seconds, warmUp, isQuick }, about);
console.log(`\nWritten to ${options.out}`);
if (options.check && !check(all)) process.exitCode = 1;
