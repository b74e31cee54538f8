/**
 * The fuzzer of hooks: real applications whose hooks send, push, pause, end, throw and hang at every await, with clients
 * and middleware that behave badly, on every transport and platform (hooks/plan.mjs).
 *
 *   npm run fuzz:hooks -- [--seed 42] [--cases 100000 | --minutes 60]
 *   npm run fuzz:hooks -- --seed 42 --era 7        the 50 cases of one application
 *   npm run fuzz:hooks -- --seed 42 --case 371     one of them alone
 *   … --with '{"middleware":"none","era":{"hasSessions":false}}'    with some values that are not as they were drawn
 *
 * Choices follow from the seed, the interleaving from the machine: an era may have to be repeated (`--times 20`).
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import 'reflect-metadata';
import { MemoryWatch } from './hooks/memory.mjs';
import { ERA } from './hooks/plan.mjs';
import { runEra, tally } from './hooks/run.mjs';

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    ...{ seed: text, cases: text, minutes: text, era: text, case: text, times: text, with: text },
    verbose: { type: 'boolean' },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const MAX_FINDINGS = 30;
let found = 0;

function report(findings) {
  for (const { era, number, problem, plan } of findings) {
    found++;
    const which = number === undefined ? `--era ${era}` : `--case ${number}`;
    console.error(`\nFINDING ${problem}\n  npm run fuzz:hooks -- --seed=${seed} ${which}   (era ${era})`);
    if (plan && values.verbose) console.error(JSON.stringify(plan, undefined, 1));
  }
}

async function repeat() {
  const number = values.case && Number(values.case);
  const era = values.era === undefined ? Math.floor(number / ERA) : Number(values.era);
  const cases = number === undefined ? undefined : [number];
  const changes = JSON.parse(values.with ?? '{}');
  for (let times = Number(values.times ?? 1); times > 0; times--) report(await runEra(seed, era, { cases, changes }));
}

async function runLong() {
  const end = performance.now() + Number(values.minutes ?? Infinity) * 60_000;
  const cases = Number(values.cases ?? (values.minutes ? Infinity : 10_000));
  const memory = new MemoryWatch();
  let era = 0;
  for (; era * ERA < cases && performance.now() < end && found < MAX_FINDINGS; era++) {
    report(await runEra(seed, era));
    const done = (era + 1) * ERA;
    if (done % 1000 === 0) report(await memory.look(era, (line) => console.log(`${done} cases, ${line}`)));
  }
  console.log(`fuzz:hooks: ${era * ERA} cases, ${found} findings, ${JSON.stringify(tally)}`);
}

console.log(`fuzz:hooks seed=${seed} node=${process.version}`);
await (values.case === undefined && values.era === undefined ? runLong() : repeat());
process.exit(found > 0 ? 1 : 0);
