import type fc from 'fast-check';

/** The application under attack, and the check that nothing of the attack is left. */
export class FuzzTarget {
  static start(): Promise<FuzzTarget>;
  expectCalm(): Promise<{ accepted: number; heapMb: number; rssMb: number }>;
  stop(): Promise<void>;
}

/** One kind of hostile input; `batch` cases are sent together. */
export interface Family<T = unknown> {
  readonly batch: number;
  readonly arbitrary: fc.Arbitrary<T>;
  attack(target: FuzzTarget, cases: T[]): Promise<void>;
}

export const FRAMES: Family;
export const ENVELOPES: Family;
export const UPGRADES: Family;
