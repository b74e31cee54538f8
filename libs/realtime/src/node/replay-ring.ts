import type { Frame } from '../frame.js';

/** Bookkeeping per message, in bytes; without it empty messages could be kept without bound. */
export const MESSAGE_COST = 128;

/**
 * The numbered messages that a client may not have: they are kept until it says that it has them, so that the next wire,
 * stream or poll goes on where the last one stopped. Sessions, streams of events and polls each have one.
 */
export class ReplayRing<Item extends { readonly size: number } = Frame> {
  bytes = 0;
  /** The number of the last message that was taken to be sent, or is no longer here. */
  taken: number;
  /** The bytes of the kept messages that were taken. */
  takenBytes = 0;
  private items: Item[] = [];
  /** How many of the items have been forgotten already. */
  private gone = 0;

  /**
   * @param count called with every change of the bytes
   * @param last the number of the last message; the first one is 1 by default
   */
  constructor(
    private readonly count: (bytes: number) => void,
    public last = 0,
  ) {
    this.taken = last;
  }

  /** The number of the last message that is not here any more: whoever has not had it cannot go on. */
  get base(): number {
    return this.last - (this.items.length - this.gone);
  }

  get isEmpty(): boolean {
    return this.items.length === this.gone;
  }

  /** The bytes of the messages that were not taken. */
  get waitingBytes(): number {
    return this.bytes - this.takenBytes;
  }

  /** @returns whether everything after this number is here */
  reaches(n: number): boolean {
    return n >= this.base && n <= this.last;
  }

  add(item: Item): void {
    this.last++;
    this.items.push(item);
    this.changed(costOf(item));
  }

  /** @returns the next message to be sent, which is kept; undefined when all were taken */
  take(): Item | undefined {
    const next = this.at(this.taken + 1);
    if (!next) return undefined;
    this.taken++;
    this.takenBytes += costOf(next);
    return next;
  }

  /** The next message to be sent is the one after this number, which the ring MUST reach. */
  turnTo(n: number): void {
    while (this.taken > n) this.takenBytes -= costOf(this.at(this.taken--)!);
    while (this.taken < n) this.take();
  }

  /** Forgets the messages up to this number. */
  acknowledge(n: number): void {
    for (let left = n - this.base; left > 0 && !this.isEmpty; left--) this.forgetOldest();
  }

  /** There MUST be one. @returns it */
  forgetOldest(): Item {
    const oldest = this.items[this.gone]!;
    const cost = costOf(oldest);
    if (this.base < this.taken) this.takenBytes -= cost;
    else this.taken++;
    this.changed(-cost);
    this.gone++;
    if (this.gone * 2 <= this.items.length) return oldest;
    this.items = this.items.slice(this.gone);
    this.gone = 0;
    return oldest;
  }

  /** @returns the message of this number, if it is kept */
  at(n: number): Item | undefined {
    return n > this.base ? this.items[this.gone + n - this.base - 1] : undefined;
  }

  /** @returns all that are kept, in order */
  all(): readonly Item[] {
    return this.items.slice(this.gone);
  }

  /** Forgets everything; the numbers go on. */
  clear(): void {
    this.items = [];
    this.gone = this.takenBytes = 0;
    this.changed(-this.bytes);
  }

  private changed(bytes: number): void {
    this.bytes += bytes;
    this.count(bytes);
  }
}

function costOf({ size }: { readonly size: number }): number {
  return size + MESSAGE_COST;
}
