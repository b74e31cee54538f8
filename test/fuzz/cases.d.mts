import type fc from 'fast-check';

/** The application, and whether it still is what it was. */
export class FuzzTarget {
  static start(): Promise<FuzzTarget>;
  expectCalm(): Promise<{ accepted: number; heapMb: number; rssMb: number }>;
  stop(): Promise<void>;
}

/** One kind of hostile input; `batch` cases are thrown together. */
export interface Family<T = unknown> {
  readonly batch: number;
  readonly arbitrary: fc.Arbitrary<T>;
  attack(target: FuzzTarget, cases: T[]): Promise<void>;
}

export const FRAMES: Family;
export const ENVELOPES: Family;
export const UPGRADES: Family;
