/** The connection of a simulated client to a node, with what waits for it while the client is slow. */
import type { Entry } from '../../../libs/realtime/src/history.js';
import type { Position } from '../../../libs/realtime/src/position.js';
import type { Gap, Joined, MemberOutput, RoomMember } from '../../../libs/realtime/src/history/room-member.js';
import type { SimClient } from './history-client.js';
import type { SimEntry, SimOther } from './history-engine.js';
import type { SimNode } from './history-node.js';

/** What is sent to a client. */
export type Sent =
  | { readonly kind: 'entry'; readonly entry: SimEntry; readonly isReplay: boolean }
  | { readonly kind: 'at'; readonly position: Position }
  | { readonly kind: 'gap'; readonly gap: Gap }
  | { readonly kind: 'joined'; readonly joined: Joined }
  | { readonly kind: 'other'; readonly other: SimOther; readonly hasPlace: boolean };

/** The most entries that wait for a slow client. */
const OUTBOX = 3;
/** A few reads, each within its deadline. */
const JOIN_MS = 8000;

export class SimConnection implements MemberOutput {
  readonly member: RoomMember;
  isOpen = true;
  hasJoined = false;
  /** A client that was slow may be told of the room as it stands. */
  hasBeenSlow = false;
  /** Whether it belongs to the room, or is about to. */
  private isIn = false;
  private isBlocked = false;
  private waiting: Sent[] = [];
  private lastAt = 0;

  constructor(
    readonly id: string,
    private readonly client: SimClient,
    readonly node: SimNode,
    Member: typeof RoomMember,
    private readonly dropsOldest: boolean,
  ) {
    this.member = new Member(this);
    node.clients.add(this);
  }

  entry(entry: Entry): boolean {
    this.checkIn();
    const sent = { kind: 'entry', entry: entry as SimEntry, isReplay: !this.hasJoined } as const;
    const entries = this.waiting.filter(({ kind }) => kind === 'entry').length;
    if (!this.isBlocked || entries < OUTBOX) return this.send(sent);
    if (!this.dropsOldest) return false;
    const index = this.waiting.findIndex(({ kind }) => kind === 'entry');
    const oldest = this.waiting[index] as Extract<Sent, { kind: 'entry' }>;
    this.waiting[index] = { kind: 'gap', gap: this.node.stream.lost(this.member, oldest.entry) };
    return this.send(sent);
  }

  at(position: Position): void {
    this.checkIn();
    this.send({ kind: 'at', position });
  }

  gap(gap: Gap): void {
    this.checkIn();
    this.send({ kind: 'gap', gap });
  }

  joined(joined: Joined): void {
    this.checkIn();
    if (this.hasJoined) this.client.fault('joined twice');
    this.send({ kind: 'joined', joined });
    this.hasJoined = true;
  }

  isExcepted(entry: Entry, isReplay: boolean): boolean {
    const { except } = (entry as SimEntry).message;
    return except.includes(this.id) || (isReplay && except.some((id) => this.client.was.includes(id)));
  }

  other(other: SimOther, isMember: boolean): void {
    if (other.kind === 'kick' && this.client.isKicked()) return this.leave();
    // Nobody knows when the entries before it can be read again: it does not wait for them
    if (isMember) this.send({ kind: 'other', other, hasPlace: this.node.isKnownUp });
  }

  join(since: Position | undefined): void {
    this.node.act(() => {
      if (!this.isOpen) return;
      this.isIn = true;
      const { stream, engine } = this.node;
      if (!since) this.client.came(this.node);
      const joined = stream.join(this.member, since);
      if (engine.dice.chance(0.1) && stream.join(this.member, since) !== joined) this.client.fault('a second promise');
      if (!this.node.isKnownUp && !this.hasJoined) this.client.fault('a join waits for a store that is away');
      this.expectEnd(joined);
    });
  }

  /** A join ends after a few reads, whatever happens. */
  private expectEnd(joined: Promise<void>): void {
    const { interruptions } = this.node;
    let isOver = false;
    void joined.then(() => (isOver = true));
    this.node.engine.clock.after(JOIN_MS, () => {
      if (!isOver && interruptions === this.node.interruptions) this.client.fault('a join that does not end');
    });
  }

  private checkIn(): void {
    if (!this.isIn) this.client.fault('something after it has left');
  }

  /** The connection leaves the room, and comes back without a position. */
  leave(): void {
    this.isIn = false;
    this.node.stream.leave(this.member);
    this.waiting = [];
    this.lastAt = 0;
    this.hasJoined = false;
    this.client.left(this);
  }

  block(ms: number): void {
    this.isBlocked = this.hasBeenSlow = true;
    this.node.engine.clock.after(ms, () => this.unblock());
  }

  unblock(): void {
    this.isBlocked = false;
    for (const sent of this.waiting.splice(0)) this.transmit(sent);
    this.node.act(() => this.isOpen && this.node.stream.drained(this.member));
  }

  lost(): void {
    this.isOpen = false;
    this.node.clients.delete(this);
    const { stream } = this.node;
    this.node.act(() => {
      this.isIn = false;
      stream.leave(this.member);
    });
    this.client.disconnected(this);
  }

  private send(sent: Sent): boolean {
    if (!this.isOpen) return true;
    if (this.isBlocked) this.waiting.push(sent);
    else this.transmit(sent);
    return true;
  }

  private transmit(sent: Sent): void {
    const { clock, dice } = this.node.engine;
    const { visit } = this.client;
    this.lastAt = Math.max(this.lastAt, clock.now() + dice.upTo(8));
    clock.after(this.lastAt - clock.now(), () => this.isOpen && visit === this.client.visit && this.client.got(sent));
  }
}
