/**
 * Everything random in a test comes from one seed: jest's own (`--seed`), or `FUZZ_SEED`. When a file fails, the run prints
 * the command that repeats it with the same seed.
 */
import { jest } from '@jest/globals';
import { seeded } from './process-guard.js';

/** A whole number. */
export const seed = Number(process.env['FUZZ_SEED'] || jest.getSeed());

/** From 0 to 1, in place of `Math.random()`. */
export const random = seeded(seed);

/** In place of the function of the same name in `node:crypto`. */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = random() * 256;
  return bytes;
}
