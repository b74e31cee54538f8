/** Where a room stands on this node, and what its members are delivered from there on: every entry once, or a gap. */
import { type Item, type Sized, weave } from './backlog.js';
import { EntryRing } from './entry-ring.js';
import type { Entry, HistoryWindow } from '../history.js';
import type { Members } from './members.js';
import { before, type Position } from '../position.js';
import type { StreamOptions } from './stream-options.js';
import { Tail } from './tail.js';
import { reasonOf } from './verdict.js';

export class Feed<O extends Sized> {
  /** Ends where the room stands; undefined while nobody knows where that is. */
  tail?: Tail;

  /** @param limit the most entries of a window */
  constructor(
    readonly members: Members,
    private readonly options: Pick<StreamOptions<O>, 'read' | 'arrived' | 'deliver' | 'tails'>,
    private readonly limit: number,
  ) {}

  /**
   * Reads the newest entries. While nobody knows where the room stands, those that are still on their way here are
   * waited for: they were pushed after the members came who wait for this read, and are for them.
   */
  async read(): Promise<HistoryWindow> {
    const window = await this.options.read(this.limit);
    if (!this.tail && window.entries.length > 0) await this.options.arrived?.();
    return window;
  }

  /** Forgets where the room stands. */
  forget(): void {
    this.tail?.end();
    this.tail = undefined;
  }

  /** Gives up what is missing. @param items what has arrived meanwhile */
  giveUp(items: readonly Item<O>[]): void {
    const next = items.find(({ entry }) => entry)?.entry;
    if (this.tail) this.members.gap('unavailable', next && before(next.position));
    this.forget();
  }

  /** True when an entry with this number has not come through yet. */
  isBefore(n: number): boolean {
    return !this.tail || this.tail.top.n < n;
  }

  other(other: O): void {
    this.options.deliver(other, (member) => this.members.hears(member));
  }

  /** Delivers what has no position, without the entries around it. */
  others(items: readonly Item<O>[]): void {
    for (const { other } of items) if (other) this.other(other);
  }

  /** @param isLive whether it may be delivered now @returns whether that is all that is to be done for it */
  arrived(entry: Entry, isLive: boolean): boolean {
    if (this.isBefore(entry.position.n)) this.members.arrived(entry);
    return isLive && this.take(entry);
  }

  /** Delivers an entry, unless it was delivered before. @returns false when something is missing before the entry */
  take(entry: Entry): boolean {
    const tail = this.tail ?? this.goOnFrom('unavailable', before(entry.position));
    if (!tail.isNext(entry.position)) return tail.knows(entry.position);
    tail.push(entry);
    this.members.entry(entry);
    return true;
  }

  /**
   * Delivers what was missed, with what has arrived meanwhile at its place.
   *
   * @param items loses what has been delivered, and what the window has
   */
  catchUp(window: HistoryWindow, items: Item<O>[]): Tail {
    if (!this.tail) return this.begin(window);
    const missed = new EntryRing(window.base, window.entries).after(this.tail.top);
    if (!missed) return this.goElsewhere(this.tail, window, items);
    this.deliverAll(weave(missed, items));
    return this.tail;
  }

  private begin(window: HistoryWindow): Tail {
    this.members.gap('unavailable', window.top);
    this.tail = Tail.of(this.options.tails, window);
    return this.tail;
  }

  /** The room does not stand where the store can go on: it goes on from the last entry that both have, if there is one. */
  private goElsewhere(tail: Tail, window: HistoryWindow, items: Item<O>[]): Tail {
    const { base, entries, top } = window;
    const reason = reasonOf(tail.top, window, this.limit);
    const common = entries.findLastIndex(({ position }) => tail.knows(position)) + 1;
    const rest = common > 0 || reason !== 'reset' || tail.knows(base) ? entries.slice(common) : [];
    const next = this.goOnFrom(reason, rest[0] ? before(rest[0].position) : top);
    this.deliverAll(weave(rest, reason === 'reset' ? [] : items));
    return next;
  }

  private goOnFrom(reason: 'unavailable' | ReturnType<typeof reasonOf>, position: Position): Tail {
    this.members.gap(reason, position);
    this.tail?.end();
    this.tail = new Tail(this.options.tails, position);
    return this.tail;
  }

  private deliverAll(items: readonly Item<O>[]): void {
    for (const { entry, other } of items) {
      if (entry) this.take(entry);
      else this.other(other);
    }
  }
}
