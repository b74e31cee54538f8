/**
 * One room with history on this node: what arrives of it, and what is read again. Every member gets every entry once, in
 * the one order, or it is told of a gap. Nobody waits for a store that is away. Road OUT, step 8.
 */
import { AwaitedCopies } from './awaited-copies.js';
import { Backlog, type Item, type Sized } from './backlog.js';
import { Feed } from './feed.js';
import type { Entry, HistoryWindow } from '../history.js';
import { Members } from './members.js';
import type { Position } from '../position.js';
import type { Gap, RoomMember } from './room-member.js';
import { MAX_FAILURES, pauseMsAfter, STREAM_BOUNDS, type StreamOptions } from './stream-options.js';
import type { Tail } from './tail.js';

export class RoomStream<O extends Sized> {
  /** How many reads have begun. */
  reads = 0;
  private state: 'cold' | 'filling' | 'live' | 'repairing' = 'cold';
  private readonly feed: Feed<O>;
  private readonly members: Members;
  private readonly backlog: Backlog<O>;
  private readonly copies: AwaitedCopies;
  private isUp = false;
  /** The number of the read that decides where the room stands, and of the one for those who wait; 0: there is none. */
  private reading = 0;
  private looking = 0;
  private failures = 0;

  constructor(private readonly options: StreamOptions<O>) {
    const { clock, bounds = STREAM_BOUNDS } = options;
    this.members = new Members(bounds);
    this.feed = new Feed(this.members, options, bounds.maxEntries);
    this.backlog = new Backlog(bounds);
    this.copies = new AwaitedCopies(
      clock,
      (n) => this.state !== 'cold' && this.feed.isBefore(n),
      () => this.late(),
    );
  }

  /** Where the room stands; undefined while nobody knows. */
  get position(): Position | undefined {
    return this.feed.tail?.top;
  }

  /** True while what arrives is delivered at once. */
  get isLive(): boolean {
    return this.state === 'live';
  }

  /** The room is subscribed; or it is subscribed again, and messages may have been lost. */
  up(): void {
    this.isUp = true;
    if (this.state === 'live') this.state = 'repairing';
    if (this.state !== 'cold') this.load();
  }

  /** The subscription does not hold. Nobody waits until it does. */
  down(): void {
    this.isUp = false;
    this.reading = this.looking = 0;
    if (this.state === 'filling') this.goOn();
    this.feed.others(this.backlog.takeOthers());
    this.members.refuse(this.feed.tail);
  }

  /** An entry has arrived. */
  entry(entry: Entry): void {
    if (this.state === 'cold' || this.feed.arrived(entry, this.isLive)) return;
    this.keep({ entry, readsBefore: this.reads });
    if (this.state === 'live') this.repair();
  }

  /**
   * Something without a position has arrived. It comes after the entries before it as long as the subscription holds;
   * afterwards nobody knows when those can be read, and it goes out at once.
   *
   * @param hasPlace false: at once, whatever is read. Default: true
   */
  other(other: O, hasPlace = true): void {
    const isReading = this.state === 'filling' || this.state === 'repairing';
    if (isReading && hasPlace && this.isUp) this.keep({ other, readsBefore: this.reads });
    else this.feed.other(other);
  }

  /** An append of this node has succeeded. It is not delivered: its answer may be ahead of the entries before it. */
  appended({ n }: Position): void {
    this.copies.add(n);
  }

  /**
   * The store was asked where the room stands. Its answer never decides that: a read does.
   *
   * @param begun where the room stood when it was asked
   */
  checked(top: Position | undefined, begun: Position): void {
    if (this.isLive && !(top && top.n >= begun.n && this.feed.tail?.knows(top))) this.repair();
  }

  /**
   * Lets a connection into the room.
   *
   * @param since where the client stands; undefined: it has no position
   * @param last how many of the last entries a client without a position is sent. Default: 0
   * @returns resolves when it has joined or left, never rejects; a second call shares the first one's promise
   */
  join(member: RoomMember, since?: Position, last = 0): Promise<void> {
    if (member.whenJoined) return member.whenJoined;
    const joined = member.enter();
    const isFirst = this.state === 'cold';
    if (isFirst) this.state = 'filling';
    this.admit(member, since, last);
    if (isFirst) this.load();
    return joined;
  }

  leave(member: RoomMember): void {
    this.members.remove(member);
  }

  /**
   * An entry that waited for a slow member was dropped: it gets nothing more of the room until `drained`.
   *
   * @returns the gap that MUST take the place of the entry among what waits
   */
  lost(member: RoomMember, entry: Entry): Gap {
    this.members.suspend(member);
    return member.lost(entry);
  }

  /** A member that lost an entry has room again: it goes on from its own position. */
  drained(member: RoomMember): void {
    if (this.members.isSuspended(member)) this.admit(member, member.position);
  }

  /** Nobody needs the room on this node any more. */
  end(): void {
    this.state = 'cold';
    this.reading = this.looking = 0;
    const items = this.backlog.take();
    this.feed.forget();
    this.members.removeAll();
    // To nobody: whoever waits for an order need not wait longer
    this.feed.others(items);
  }

  private keep(item: Item<O>): void {
    if (!this.backlog.push(item) && item.other) this.feed.other(item.other);
  }

  private admit(member: RoomMember, since: Position | undefined, last = 0): void {
    if (this.feed.tail && this.members.admit(member, since, last, this.feed.tail)) return;
    this.members.wait({ member, since, last, readsBefore: this.reads });
    if (this.state === 'filling') return;
    if (!this.isUp || (this.isLive && !this.feed.tail)) this.members.refuse(this.feed.tail);
    else if (this.isLive) this.look();
  }

  /** Reads for those who wait. It stops nobody else: a client may have invented its position. */
  private look(): void {
    if (this.looking) return;
    const no = (this.looking = ++this.reads);
    this.feed.read().then(
      (window) => no === this.looking && this.looked(window, no),
      () => no === this.looking && this.looked(undefined, no),
    );
  }

  private looked(window: HistoryWindow | undefined, no: number): void {
    this.looking = 0;
    if (window) this.letIn(window, no, this.feed.tail ?? this.feed.catchUp(window, []));
    else this.retry();
  }

  private letIn(window: HistoryWindow, no: number, tail: Tail): void {
    const isBehind = this.members.judge(window, no, tail);
    if (!this.isLive) return;
    if (isBehind) this.repair();
    else if (this.members.isWaiting) this.look();
  }

  /** @returns false when a read that may be older than the append is under way */
  private late(): boolean {
    const isReady = this.isLive && this.feed.tail !== undefined;
    if (isReady) this.repair();
    return isReady;
  }

  private repair(): void {
    this.state = 'repairing';
    this.load();
  }

  private load(): void {
    if (!this.isUp) return this.state === 'filling' ? this.goOn() : undefined;
    const no = (this.reading = ++this.reads);
    this.feed.read().then(
      (window) => no === this.reading && this.loaded(window, no),
      () => no === this.reading && this.failed(),
    );
  }

  private failed(): void {
    this.reading = 0;
    if (this.state === 'filling' || this.failures + 1 >= MAX_FAILURES) this.goOn();
    this.retry();
  }

  private retry(): void {
    this.members.refuse(this.feed.tail);
    this.options.clock.after(pauseMsAfter(this.failures++), () => {
      if (this.state === 'repairing' && !this.reading) this.load();
      if (this.isLive && !this.feed.tail && this.isUp) this.look();
    });
  }

  /** Delivers what arrives, though nobody knows where the room stands. */
  private goOn(): void {
    const items = this.backlog.take();
    this.feed.giveUp(items);
    this.state = 'live';
    for (const { entry, other } of items) {
      if (entry) this.entry(entry);
      else this.other(other);
    }
    this.members.refuse(this.feed.tail);
  }

  private loaded(window: HistoryWindow, no: number): void {
    this.reading = this.failures = 0;
    const { hasDropped } = this.backlog;
    const items = this.backlog.take();
    const tail = this.feed.catchUp(window, items);
    this.state = 'live';
    this.backlog.restore(hasDropped ? items : this.untilNextHole(items, window, no));
    if (hasDropped || this.backlog.length > 0) this.repair();
    this.letIn(window, no, tail);
  }

  /** Delivers what has arrived meanwhile, by the rules of what arrives. @returns what is left when something is missing */
  private untilNextHole(items: Item<O>[], { top }: HistoryWindow, no: number): Item<O>[] {
    for (const [index, { entry, other, readsBefore }] of items.entries()) {
      if (!entry) this.feed.other(other);
      else if (!this.feed.take(entry) && entry.position.n > top.n && readsBefore >= no) return items.slice(index);
    }
    return [];
  }
}
