/** The end of a room's history that this node keeps, so that who comes back seldom needs a read. */
import { EntryRing } from './entry-ring.js';
import type { Entry, HistoryWindow } from '../history.js';
import { type Position } from '../position.js';

export interface TailBounds {
  /** The most bytes of messages in one tail. Default: 256 KiB (REALTIME_MAX_TAIL_BYTES). */
  readonly maxBytes: number;
  /** The most bytes of all tails of this node. Default: 64 MiB (REALTIME_MAX_TAIL_BYTES_TOTAL). */
  readonly maxTotalBytes: number;
}

export const TAIL_BOUNDS: TailBounds = { maxBytes: 262_144, maxTotalBytes: 67_108_864 };

/** What an entry takes beside the bytes of its message, measured. */
const ENTRY_BYTES = 128;

/** All tails of a node. The one that has had no entry for longest is shortened first. */
export class Tails {
  /** How many entries were forgotten because all tails together were too big. */
  evicted = 0;
  bytes = 0;
  private readonly tails = new Set<Tail>();

  constructor(readonly bounds: TailBounds = TAIL_BOUNDS) {}

  get size(): number {
    return this.tails.size;
  }

  /** @param by how many bytes a tail has grown, or shrunk */
  changed(tail: Tail, by: number): void {
    this.bytes += by;
    if (by > 0) this.used(tail);
    if (tail.length === 0) this.tails.delete(tail);
  }

  private used(tail: Tail): void {
    if (this.tails.size > 1) this.tails.delete(tail);
    this.tails.add(tail);
    if (this.bytes <= this.bounds.maxTotalBytes) return;
    for (const oldest of this.tails) {
      while (this.bytes > this.bounds.maxTotalBytes && oldest.length > 0) {
        oldest.shift();
        this.evicted++;
      }
      if (this.bytes <= this.bounds.maxTotalBytes) return;
    }
  }
}

export class Tail extends EntryRing {
  constructor(
    private readonly tails: Tails,
    base: Position,
  ) {
    super(base);
  }

  /** @returns a tail with the entries of a window, as far as there is room */
  static of(tails: Tails, { base, entries }: HistoryWindow): Tail {
    const tail = new Tail(tails, base);
    for (const entry of entries) tail.push(entry);
    return tail;
  }

  override push(entry: Entry): void {
    super.push(entry);
    this.tails.changed(this, entry.message.size + ENTRY_BYTES);
    while (this.bytes + this.length * ENTRY_BYTES > this.tails.bounds.maxBytes) this.shift();
  }

  override shift(): void {
    const bytes = this.bytes;
    super.shift();
    this.tails.changed(this, this.bytes - bytes - ENTRY_BYTES);
  }

  /** MUST be called when it is not used any more: its bytes are then free for others. */
  end(): void {
    while (this.length > 0) this.shift();
  }
}
