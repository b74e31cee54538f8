import type { SlowConsumers } from '../../node/slow-consumers.js';

/** A message that is kept, as the text that its transport sends: the frame, and what it was made of, can be freed. */
export interface Entry {
  readonly position: number;
  readonly text: string;
  /** The bytes that it counts against the limits. */
  readonly cost: number;
}

/** Bookkeeping per queued message, in bytes; without it empty messages could queue without bound. */
const ENTRY_COST = 128;

/** The messages that a client has to take or to acknowledge, under rising positions. */
export class EntryQueue {
  readonly entries: Entry[] = [];
  /** The bytes of the entries. */
  bytes = 0;
  /** The bytes that are counted against the limit of the process. */
  private counted = 0;

  constructor(
    private readonly held: Pick<SlowConsumers, 'bytes'>,
    /** The position of the last message. */
    public position: number,
  ) {}

  /**
   * @param size the length of the payload, in bytes
   * @param isNumbered false for a message that stands at the position of the one before
   */
  add(text: string, size: number, isNumbered: boolean): void {
    const cost = Math.max(size, text.length) + ENTRY_COST;
    if (isNumbered) this.position++;
    this.entries.push({ position: this.position, text, cost });
    this.bytes += cost;
    this.count(cost);
  }

  /** Removes the oldest entry, which was sent or acknowledged. @returns the entry */
  take(): Entry {
    const entry = this.entries.shift()!;
    this.bytes -= entry.cost;
    this.count(-entry.cost);
    return entry;
  }

  /** Counts bytes that are kept, or with a minus are no longer, against the limit of the process. */
  count(bytes: number): void {
    this.counted += bytes;
    this.held.bytes += bytes;
  }

  /** Forgets all entries, and what was counted. */
  clear(): void {
    this.entries.length = this.bytes = 0;
    this.count(-this.counted);
  }
}
