/** What has arrived of a room while it is read, in the order of the wire: entries, volatile pushes and orders. */
import type { Entry } from '../history.js';

export interface Sized {
  /** The length in bytes. */
  readonly size: number;
}

/** An entry, or something without a position. */
export type Item<O> = { readonly readsBefore: number } & (
  { readonly entry: Entry; readonly other?: undefined } | { readonly entry?: undefined; readonly other: O }
);

export interface BacklogBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

export const BACKLOG_BOUNDS: BacklogBounds = { maxItems: 1024, maxBytes: 262_144 };

export class Backlog<O extends Sized> {
  /** True when entries were dropped: they have to be read. */
  hasDropped = false;
  private items: Item<O>[] = [];
  private bytes = 0;

  constructor(private readonly bounds: BacklogBounds = BACKLOG_BOUNDS) {}

  get length(): number {
    return this.items.length;
  }

  /** @returns false when there is room neither for it nor after the entries were dropped, which can be read again */
  push(item: Item<O>): boolean {
    if (this.isFull(item)) this.dropEntries();
    if (this.isFull(item)) {
      this.hasDropped ||= item.entry !== undefined;
      return false;
    }
    this.items.push(item);
    this.bytes += sizeOf(item);
    return true;
  }

  /** Takes everything out. */
  take(): Item<O>[] {
    const { items } = this;
    this.items = [];
    this.bytes = 0;
    this.hasDropped = false;
    return items;
  }

  /** Takes out what has no position. */
  takeOthers(): Item<O>[] {
    const others = this.items.filter(({ entry }) => !entry);
    this.hold(this.items.filter(({ entry }) => entry));
    return others;
  }

  /** Puts items back that were taken out. */
  restore(items: readonly Item<O>[]): void {
    for (const item of items) this.push(item);
  }

  private isFull(item: Item<O>): boolean {
    const { maxItems, maxBytes } = this.bounds;
    return this.items.length >= maxItems || (this.items.length > 0 && this.bytes + sizeOf(item) > maxBytes);
  }

  private dropEntries(): void {
    const { length } = this.items;
    this.hold(this.items.filter(({ entry }) => !entry));
    this.hasDropped ||= this.items.length < length;
  }

  private hold(items: Item<O>[]): void {
    this.items = items;
    this.bytes = items.reduce((sum, item) => sum + sizeOf(item), 0);
  }
}

const sizeOf = <O extends Sized>({ entry, other }: Item<O>) => entry?.message.size ?? other!.size;

/**
 * Puts what was read and what has arrived into one order: what has no position goes before the first entry that stood
 * behind it on the wire.
 *
 * @param items loses what is in the order now, and entries that were also read
 */
export function weave<O>(read: readonly Entry[], items: Item<O>[]): Item<O>[] {
  const order: Item<O>[] = [];
  const top = read.at(-1)?.position.n ?? -1;
  let index = 0;
  const take = (below: number) => {
    while (index < read.length && read[index]!.position.n < below)
      order.push({ entry: read[index++]!, readsBefore: 0 });
  };
  for (let item = items[0]; item; item = items[0]) {
    if (item.entry && item.entry.position.n > top) break;
    take((item.entry ?? items.find(({ entry }) => entry)?.entry)?.position.n ?? Infinity);
    if (!item.entry) order.push(item);
    items.shift();
  }
  take(Infinity);
  return order;
}
