/** Consecutive entries, found by position. The oldest leave first. */
import type { EntryPosition } from '../position.js';
import type { Entry } from '../history.js';
import { placeOf, type Position } from '../position.js';

/** So many entries may have left before the memory of their places is freed. */
const SLACK = 32;

export class EntryRing {
  /** The bytes of all messages in it. */
  bytes = 0;
  private entries: Entry[] = [];
  private start = 0;

  /**
   * @param base the position before the first entry
   * @param entries each MUST follow the one before. Default: none
   */
  constructor(
    public base: Position,
    entries: readonly Entry[] = [],
  ) {
    for (const entry of entries) this.push(entry);
  }

  get length(): number {
    return this.entries.length - this.start;
  }

  /** The position of the newest entry, or the base. */
  get top(): Position {
    return this.length > 0 ? placeOf(this.entries.at(-1)!.position) : this.base;
  }

  /** @returns whether an entry comes directly after the newest one */
  isNext({ n, previous }: EntryPosition): boolean {
    const { n: newest, tag } = this.length > 0 ? this.entries.at(-1)!.position : this.base;
    return n === newest + 1 && previous === tag;
  }

  /** MUST follow the newest one. */
  push(entry: Entry): void {
    this.entries.push(entry);
    this.bytes += entry.message.size;
  }

  /** Forgets the oldest entry. */
  shift(): void {
    const entry = this.entries[this.start]!;
    this.entries[this.start++] = undefined!;
    this.base = placeOf(entry.position);
    this.bytes -= entry.message.size;
    if (this.start > SLACK && this.start > this.length) this.compact();
  }

  /** @returns the entries after a position; undefined when the position is not known */
  after(position: Position): readonly Entry[] | undefined {
    return this.knows(position) ? this.entries.slice(this.start + position.n - this.base.n) : undefined;
  }

  knows(position: Position): boolean {
    const index = position.n - this.base.n;
    if (index === 0) return position.tag === this.base.tag;
    return this.at(index - 1)?.position.tag === position.tag;
  }

  /** @returns at most so many entries from an index on; a negative one counts from the end */
  slice(from: number, limit: number): readonly Entry[] {
    const first = from < 0 ? Math.max(0, this.length + from) : from;
    return this.entries.slice(this.start + first, this.start + Math.min(this.length, first + limit));
  }

  private at(index: number): Entry | undefined {
    return index < 0 ? undefined : this.entries[this.start + index];
  }

  private compact(): void {
    this.entries = this.entries.slice(this.start);
    this.start = 0;
  }
}
