/**
 * The long run of the fuzzer: frames, envelopes and upgrade requests against a real application in a process of its own.
 *
 *   npm run fuzz -- --runs 1000000 [--seed 42] [--only frames|envelopes|upgrades]
 *
 * When it fails, it prints the command that repeats the failure.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { ENVELOPES, FRAMES, FuzzTarget, UPGRADES } from './cases.mjs';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const runs = Number(values.runs);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const families = { frames: FRAMES, envelopes: ENVELOPES, upgrades: UPGRADES };
const chosen = Object.entries(families).filter(([name]) => !values.only || name === values.only);
const each = Math.ceil(runs / chosen.length);
console.log(`fuzz seed=${seed} runs=${runs}`);

const target = await FuzzTarget.start();
let running = '';
try {
  for (const [name, family] of chosen) {
    running = name;
    const start = performance.now();
    const batches = Math.ceil(each / family.batch);
    const property = fc.asyncProperty(
      fc.array(family.arbitrary, { minLength: family.batch, maxLength: family.batch }),
      (cases) => family.attack(target, cases),
    );
    await fc.assert(property, { seed, numRuns: batches, endOnFailure: true });
    const seconds = (performance.now() - start) / 1000;
    console.log(
      `${name}: ${batches * family.batch} cases in ${seconds.toFixed(0)}s, ${JSON.stringify(await target.expectCalm())}`,
    );
  }
} catch (error) {
  // The counterexample may be long
  console.error(error.message.slice(0, 4000), String(error.cause?.message).slice(0, 4000));
  const only = values.only ? ` --only ${values.only}` : '';
  console.error(`\nTo repeat it: npm run fuzz -- --seed ${seed} --runs ${runs}${only}`);
  process.exitCode = 1;
} finally {
  await target.stop();
}
