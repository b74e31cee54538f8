/** The short run of the fuzzer; `npm run fuzz -- --runs 1000000` is the long one. A failure says how to repeat it. */
import { jest } from '@jest/globals';
import fc from 'fast-check';
import { ENVELOPES, type Family, FRAMES, FuzzTarget, UPGRADES } from './cases.mjs';

jest.setTimeout(60_000);

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const BATCHES = 15;
const repeat = `FUZZ_SEED=${seed} npm run test:e2e -- --testPathPatterns test/fuzz`;

let target: FuzzTarget;

beforeAll(async () => {
  target = await FuzzTarget.start();
});

afterAll(() => target.stop());

it.each<[string, Family]>([
  ['frames', FRAMES],
  ['envelopes', ENVELOPES],
  ['upgrade requests', UPGRADES],
])(`survives hostile %s and keeps nothing of them (FUZZ_SEED=${seed})`, async (_name, family) => {
  const { arbitrary, batch } = family;
  const cases = fc.array(arbitrary, { minLength: batch, maxLength: batch });
  const property = fc.asyncProperty(cases, (some) => family.attack(target, some));
  try {
    await fc.assert(property, { seed, numRuns: BATCHES, endOnFailure: true });
    await target.expectCalm();
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\nTo repeat it: ${repeat}`, { cause: error });
  }
});
