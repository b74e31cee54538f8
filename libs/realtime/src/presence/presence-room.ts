/**
 * One room that has connections on this node: the parts of all nodes, and what this node's members and hooks have been
 * told. Nobody speaks for the cluster: each node derives who came and went from the union of the parts, for itself.
 */
import type { PresenceDelta } from '../presence.js';
import { OtherPart, type Touched } from './other-part.js';
import { OwnPart } from './own-part.js';
import { UserOrder } from './user-order.js';
import { type Held, isLater, type Mark, merge, type Merged } from './slot.js';

/** Who wants to know. `state` is JSON. */
export interface RoomChange {
  readonly kind: 'join' | 'update' | 'leave';
  readonly user: string;
  readonly state: string | undefined;
  readonly isLocal: boolean;
}

export interface RoomOptions {
  readonly self: string;
  readonly maxUsers: number;
}

export class PresenceRoom<C extends object> {
  readonly own = new OwnPart<C>();
  /** The connections of this node that are in the room and have been given the list of users. */
  readonly members = new Set<C>();
  /** Those that have yet to be given it. */
  private readonly unlisted = new Set<C>();
  /** True once the other nodes have said who is there, or the time for that is over. */
  isSettled = false;
  /** True once this node hears what the others say about the room. */
  isHeard = false;
  private readonly parts = new Map<string, OtherPart>();
  /** The users as they were told last, with their states. */
  private readonly view = new Map<string, string | undefined>();
  /** Who may have changed since then. */
  private readonly dirty = new Set<string>();
  /** The last removal of a user who was still there on another node: that node made the user leave. */
  private readonly leftBy = new Map<string, Mark>();
  private readonly order = new UserOrder();
  private readonly waiting: (() => void)[] = [];

  constructor(
    readonly name: string,
    private readonly options: RoomOptions,
  ) {}

  /** True while the room has connections on this node, or had them within the grace time. */
  get isInUse(): boolean {
    return this.members.size > 0 || this.unlisted.size > 0 || this.own.size > 0;
  }

  get count(): number {
    if (!this.isSettled) return this.users().size;
    let count = this.view.size;
    for (const user of this.dirty) count += Number(this.merged(user) !== undefined) - Number(this.view.has(user));
    return count;
  }

  /** Resolves when it is settled. */
  whenSettled(): Promise<void> | undefined {
    return this.isSettled ? undefined : new Promise((resolve) => this.waiting.push(resolve));
  }

  add(connection: C): void {
    this.unlisted.add(connection);
  }

  has(connection: C): boolean {
    return this.unlisted.has(connection) || this.members.has(connection);
  }

  /** @returns false when the connection was not in the room */
  delete(connection: C): boolean {
    return this.unlisted.delete(connection) || this.members.delete(connection);
  }

  /** @returns the members that are to be given the list of users now */
  takeUnlisted(): readonly C[] {
    if (!this.isSettled || this.unlisted.size === 0) return [];
    const unlisted = [...this.unlisted];
    this.unlisted.clear();
    for (const connection of unlisted) this.members.add(connection);
    return unlisted;
  }

  /** @returns up to so many users after this one, in the order of their ids */
  page(after: string | undefined, limit: number): string[] {
    return this.order.after(after, limit, () => this.users());
  }

  // --- this node's part ---

  enter(connection: C, user: string, now: number): void {
    this.own.enter(connection, user, this.merged(user)?.since ?? now);
    this.touched(user, 0, this.options.self);
  }

  present(connection: C, state: string | undefined): void {
    const user = this.own.present(connection, state, (each) => this.next(each));
    if (user !== undefined) this.touched(user, 0, this.options.self);
  }

  /** @returns what ends the place of a lost connection; undefined when it has none */
  lose(connection: C): (() => void) | undefined {
    const end = this.own.lose(connection);
    if (!end) return undefined;
    return () => {
      let change = 0;
      const user = end((each) => (change = this.next(each)));
      this.touched(user, this.own.has(user) ? 0 : change, this.options.self);
    };
  }

  // --- the parts of others ---

  /** @returns the version that is known of a node's part; 0 for none */
  versionOf(node: string): number {
    return this.parts.get(node)?.v ?? 0;
  }

  /** @returns false when a delta before this one is missing */
  apply(node: string, delta: PresenceDelta, now: number): boolean {
    const touched = this.part(node).apply(delta, now);
    if (touched) this.touchedBy(node, touched);
    return touched !== undefined;
  }

  replace(node: string, v: number, rows: PresenceDelta['set'], now: number): void {
    this.touchedBy(node, this.part(node).replace(v, rows, now));
  }

  /** Forgets the part of a node that has gone. */
  forget(node: string): void {
    const part = this.parts.get(node);
    if (!part) return;
    this.touchedBy(node, part.clear());
    this.parts.delete(node);
  }

  /** @returns the part of another node, as it would be sent; undefined when it is empty */
  partOf(node: string, now: number): { readonly v: number; readonly rows: PresenceDelta['set'] } | undefined {
    const part = this.parts.get(node);
    return part && part.size > 0 ? { v: part.v, rows: part.rows(now) } : undefined;
  }

  // --- the union ---

  /** @returns a user as all parts together have it */
  merged(user: string): Merged | undefined {
    const held: Held[] = [];
    const own = this.own.slot(user);
    if (own) held.push([this.options.self, own]);
    for (const [node, part] of this.parts) {
      const slot = part.slot(user);
      if (slot) held.push([node, slot]);
    }
    return merge(held);
  }

  /** The users of all parts. */
  users(): Set<string> {
    const all = new Set(this.own.ids());
    for (const part of this.parts.values()) for (const user of part.ids()) all.add(user);
    return all;
  }

  /** What is there now was there before: only those whom this node alone has are news. */
  settle(): void {
    this.isSettled = true;
    for (const resolve of this.waiting.splice(0)) resolve();
    for (const part of this.parts.values())
      for (const user of part.ids()) this.view.set(user, this.merged(user)!.state);
    this.dirty.clear();
    for (const user of this.own.ids()) this.dirty.add(user);
  }

  /** @returns what has changed since the last call, each change once */
  changes(): RoomChange[] {
    if (!this.isSettled) return [];
    const changes: RoomChange[] = [];
    for (const user of this.dirty) {
      const change = this.changeOf(user);
      if (change) changes.push(change);
    }
    this.dirty.clear();
    return changes;
  }

  private changeOf(user: string): RoomChange | undefined {
    const isKnown = this.view.has(user);
    const former = this.view.get(user);
    const now = this.merged(user);
    if (!now) return isKnown ? this.leave(user, former) : undefined;
    const { state, node } = now;
    if (isKnown && state === former) return undefined;
    this.view.set(user, state);
    const { self } = this.options;
    if (isKnown) return { kind: 'update', user, state, isLocal: node === self };
    return { kind: 'join', user, state, isLocal: this.own.has(user) };
  }

  private leave(user: string, state: string | undefined): RoomChange {
    const isLocal = this.leftBy.get(user)?.node === this.options.self;
    this.view.delete(user);
    this.leftBy.delete(user);
    return { kind: 'leave', user, state, isLocal };
  }

  private part(node: string): OtherPart {
    const part = this.parts.get(node) ?? new OtherPart(this.options.maxUsers);
    this.parts.set(node, part);
    return part;
  }

  private touchedBy(node: string, touched: Touched): void {
    for (const [user, removal] of touched) this.touched(user, removal, node);
  }

  /** @param removal the number of the change that removed the user from the part of the node; 0 when it is there */
  private touched(user: string, removal: number, node: string): void {
    this.dirty.add(user);
    this.order.changed(user, () => this.merged(user) !== undefined);
    const mark = { change: removal, node };
    const last = this.leftBy.get(user);
    if (removal > 0 && isLater(mark, last)) this.leftBy.set(user, mark);
    else if (removal === 0 && last?.node === node) this.leftBy.delete(user);
  }

  /** Numbers a change of a user above all that this node knows of, as Lamport's clocks do. */
  private next(user: string): number {
    return 1 + Math.max(this.merged(user)?.change ?? 0, this.leftBy.get(user)?.change ?? 0);
  }
}
