/** Who gets the entries of a room on this node, and who waits for a read before that. */
import type { Entry, HistoryWindow } from '../history.js';
import { before, type Position } from '../position.js';
import type { EntryRing } from './entry-ring.js';
import type { GapReason, RoomMember } from './room-member.js';
import type { Tail } from './tail.js';
import { judge, ringOf, type Verdict } from './verdict.js';

export interface ReplayBounds {
  /** The most entries of a read, and that one client is sent at once. Default: 300 (REALTIME_MAX_RECOVERY_ENTRIES). */
  readonly maxEntries: number;
  /** The most bytes that one client is sent at once. Default: 1 MiB (REALTIME_MAX_RECOVERY_BYTES). */
  readonly maxReplayBytes: number;
}

interface Waiter {
  readonly member: RoomMember;
  /** Where the client stands; undefined: it has no position. */
  readonly since: Position | undefined;
  /** How many of the last entries one without a position is sent. */
  readonly last: number;
  /** How many reads had begun when it came: none of those can show that its position does not exist. */
  readonly readsBefore: number;
  /** Before the first entry that has arrived since it came. */
  first?: Position;
}

export class Members {
  /** Those that have joined, and get everything that arrives. */
  readonly live = new Set<RoomMember>();
  /** Those that have lost something, and get nothing until they have caught up. */
  private readonly suspended = new Set<RoomMember>();
  private readonly waiters = new Map<RoomMember, Waiter>();

  constructor(private readonly bounds: ReplayBounds) {}

  get isWaiting(): boolean {
    return this.waiters.size > 0;
  }

  suspend(member: RoomMember): void {
    if (this.live.delete(member)) this.suspended.add(member);
  }

  /** @returns whether it gets nothing, and no read is under way for it */
  isSuspended(member: RoomMember): boolean {
    return this.suspended.has(member) && !this.waiters.has(member);
  }

  /**
   * Lets a client in that needs no read: it has no position, or the tail has what it missed.
   *
   * @returns false when it has to wait
   */
  admit(member: RoomMember, since: Position | undefined, last: number, tail: Tail): boolean {
    const verdict = since ? tail.after(since) : this.lastOf(tail, last);
    if (verdict) this.enter(member, since, verdict, tail);
    return verdict !== undefined;
  }

  wait(waiter: Waiter): void {
    this.waiters.set(waiter.member, waiter);
  }

  /** An entry has arrived. One without a position came before it, and gets it with what it is let in with. */
  arrived({ position }: Entry): void {
    for (const waiter of this.waiters.values()) if (!waiter.since) waiter.first ??= before(position);
  }

  /** @returns whether it gets what has no position */
  hears(member: RoomMember): boolean {
    if (this.live.has(member)) return true;
    const waiter = this.waiters.get(member);
    return waiter !== undefined && !waiter.since && !this.suspended.has(member);
  }

  remove(member: RoomMember): void {
    this.live.delete(member);
    this.suspended.delete(member);
    this.waiters.delete(member);
    member.exit();
  }

  removeAll(): void {
    for (const member of [...this.live, ...this.suspended, ...this.waiters.keys()]) {
      this.remove(member);
    }
  }

  entry(entry: Entry): void {
    for (const member of this.live) {
      member.entry(entry, false);
      if (member.isBehind) this.suspend(member);
    }
  }

  /** Those that are suspended are told when they have caught up. */
  gap(reason: GapReason, position: Position | undefined): void {
    for (const member of this.live) member.gap(reason, position);
  }

  /** Lets everyone in who waits, without what they have missed. @param tail undefined: nobody knows where they stand */
  refuse(tail: Tail | undefined): void {
    for (const { member, since } of this.takeWaiters()) this.enter(member, since, 'unavailable', tail);
  }

  /**
   * Lets everyone in whom a read says something about; the others go on waiting.
   *
   * @param no the number of the read
   * @returns true when one of them is ahead of the room
   */
  judge(window: HistoryWindow, no: number, tail: Tail): boolean {
    let isBehind = false;
    for (const waiter of this.takeWaiters()) {
      const verdict = waiter.since
        ? judge(waiter.since, window, tail, this.bounds.maxEntries)
        : this.sinceItCame(ringOf(window, tail), waiter, tail.top);
      const isTooOld = typeof verdict === 'string' && no <= waiter.readsBefore;
      isBehind ||= verdict === 'behind';
      if (verdict === 'behind' || isTooOld) this.wait(waiter);
      else this.enter(waiter.member, waiter.since, verdict, tail);
    }
    return isBehind;
  }

  private takeWaiters(): Waiter[] {
    const waiters = [...this.waiters.values()];
    this.waiters.clear();
    return waiters;
  }

  private enter(
    member: RoomMember,
    since: Position | undefined,
    verdict: Exclude<Verdict, 'behind'>,
    tail?: Tail,
  ): void {
    const isBack = this.suspended.delete(member);
    const missed = typeof verdict === 'string' || this.isTooMuch(verdict) ? undefined : verdict;
    const reason = missed ? undefined : typeof verdict === 'string' ? verdict : 'limit';
    this.live.add(member);
    member.isBehind = false;
    for (const entry of missed ?? []) member.entry(entry, !isBack);
    const position = member.isBehind ? member.position : tail?.top;
    if (!isBack) member.joined({ position, ...(since && { recovered: !reason }), ...(reason && { reason }) });
    else if (reason) member.gap(reason, position);
    if (member.isBehind) this.suspend(member);
  }

  /** @returns undefined when the tail has fewer than there may be */
  private lastOf(tail: Tail, last: number): readonly Entry[] | undefined {
    return last > tail.length && tail.base.n > 0 ? undefined : this.newest(tail, last, tail.top);
  }

  /** @returns the last entries from before it came, and what has come since; of a very short history, what is kept */
  private sinceItCame(ring: EntryRing, { last, first }: Waiter, top: Position): readonly Entry[] {
    const from = first && first.n < top.n ? first : top;
    const since = ring.after(from) ?? ring.slice(0, ring.length);
    return [...this.newest(ring, last, from), ...since.filter(({ position: { n } }) => n > from.n && n <= top.n)];
  }

  /** @returns the last entries up to where the room stands, as many as one client is sent */
  private newest(ring: EntryRing, last: number, top: Position): readonly Entry[] {
    if (last === 0 || !ring.knows(top)) return [];
    const known = ring.slice(0, top.n - ring.base.n).slice(-Math.min(last, this.bounds.maxEntries));
    let bytes = 0;
    return known.slice(known.findLastIndex(({ message }) => (bytes += message.size) > this.bounds.maxReplayBytes) + 1);
  }

  private isTooMuch(entries: readonly Entry[]): boolean {
    if (entries.length > this.bounds.maxEntries) return true;
    let bytes = 0;
    for (const { message } of entries) bytes += message.size;
    return bytes > this.bounds.maxReplayBytes;
  }
}
