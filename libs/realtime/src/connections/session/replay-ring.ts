import type { Frame } from '../../frame.js';

/** Bookkeeping per message, in bytes; without it empty messages could be kept without bound. */
const MESSAGE_COST = 128;

/**
 * The numbered messages of a session that its client may not have: they are kept until it has acknowledged them, so that
 * another wire can go on where the last one stopped.
 */
export class ReplayRing {
  /** The number of the last message; the first one is 1. */
  last = 0;
  bytes = 0;
  private frames: Frame[] = [];
  /** How many of the frames have been forgotten already. */
  private gone = 0;

  /** @param count called with every change of the bytes */
  constructor(private readonly count: (bytes: number) => void) {}

  /** The number of the last message that is not here any more: whoever has not had it cannot go on. */
  get base(): number {
    return this.last - (this.frames.length - this.gone);
  }

  get isEmpty(): boolean {
    return this.frames.length === this.gone;
  }

  /** @returns whether everything after this number is here */
  reaches(n: number): boolean {
    return n >= this.base && n <= this.last;
  }

  add(frame: Frame): void {
    frame.keep();
    this.last++;
    this.frames.push(frame);
    this.changed(frame.size + MESSAGE_COST);
  }

  /** Forgets the messages up to this number. */
  acknowledge(n: number): void {
    for (let left = n - this.base; left > 0 && !this.isEmpty; left--) this.forgetOldest();
  }

  forgetOldest(): void {
    this.changed(-(this.frames[this.gone]!.size + MESSAGE_COST));
    this.gone++;
    if (this.gone * 2 <= this.frames.length) return;
    this.frames = this.frames.slice(this.gone);
    this.gone = 0;
  }

  /** @returns the messages after this number, in order */
  after(n: number): readonly Frame[] {
    return this.frames.slice(this.gone + Math.max(0, n - this.base));
  }

  /** Forgets everything; the numbers go on. */
  clear(): void {
    this.frames = [];
    this.gone = 0;
    this.changed(-this.bytes);
  }

  private changed(bytes: number): void {
    this.bytes += bytes;
    this.count(bytes);
  }
}
