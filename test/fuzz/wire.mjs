/**
 * The long run of the fuzzer of the wire between nodes: hostile bytes from a broker. It needs no port and no process of
 * its own.
 *
 *   npm run fuzz:wire -- --runs 1000000 [--seed 42]
 *
 * When it fails, it prints the command that repeats the failure.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { Wire } from '../../libs/realtime/dist/esm/cluster/wire.js';
import { Frame } from '../../libs/realtime/dist/esm/frame.js';
import { attack, hostile, newWires } from './wire-cases.mjs';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string' } },
});
const runs = Number(values.runs);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
console.log(`fuzz:wire seed=${seed} runs=${runs}`);

const wires = newWires(Wire);
const start = performance.now();
let cases = 0;
let read = 0;
try {
  fc.assert(
    fc.property(hostile(Frame), (one) => {
      cases++;
      if (attack(wires, one)) read++;
    }),
    { seed, numRuns: runs, endOnFailure: true },
  );
  const seconds = (performance.now() - start) / 1000;
  console.log(`${cases} cases in ${seconds.toFixed(0)}s: ${read} were read, all others dropped and counted`);
  for (const [name, { drops }] of Object.entries(wires)) console.log(`${name}: ${JSON.stringify(drops)}`);
} catch (error) {
  // The counterexample may be long
  console.error(error.message.slice(0, 4000), String(error.cause?.message).slice(0, 4000));
  console.error(`\nTo repeat it: npm run fuzz:wire -- --seed ${seed} --runs ${runs}`);
  process.exitCode = 1;
}
