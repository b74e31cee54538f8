/** The short run of the fuzzer; `npm run fuzz -- --runs 1000000` is the long one. */
import { jest } from '@jest/globals';
import { fc } from '../support/properties.js';
import { seed } from '../support/random.js';
import { ENVELOPES, type Family, FRAMES, FuzzTarget, UPGRADES } from './cases.mjs';

jest.setTimeout(60_000);

const BATCHES = 15;

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
  await fc.assert(property, { numRuns: BATCHES, endOnFailure: true });
  await target.expectCalm();
});
