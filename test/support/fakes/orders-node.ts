/** A node of the model of orders: what connects the classes to a broker and to members, in its simplest form. */
import type { GivenOrder, GivenOrders } from '../../../libs/realtime/src/cluster/given-orders.js';
import type { Order } from '../../../libs/realtime/src/cluster/messages.js';
import type { Obedience, ObeyedOrders } from '../../../libs/realtime/src/cluster/obeyed-orders.js';
import type { Replaces } from '../../../libs/realtime/src/cluster/replaces.js';
import { Link, Process, type LossyBus } from './lossy-bus.js';
import type { ManualClock } from './manual-clock.js';

export interface OrderClasses {
  readonly GivenOrders: typeof GivenOrders;
  readonly ObeyedOrders: typeof ObeyedOrders;
  readonly Replaces: typeof Replaces;
}

export type Message =
  | ({ readonly kind: 'order' } & GivenOrder)
  | { readonly kind: 'obeyed'; readonly id: number }
  | { readonly kind: 'announce' | 'leave' };

/** Sees what a node does. */
export interface Watcher {
  /** A copy is handed to the node's orders. */
  copied(node: OrdersNode, from: string, order: Order, road: 'channel' | 'direct'): void;
  obeys(node: OrdersNode, from: string, order: Order): Promise<void> | void;
  acknowledges(node: OrdersNode, to: string, id: number): void;
  /** What the node knows of others has changed; with `id`: another has acknowledged this order. */
  knows(node: OrdersNode, from?: string, id?: number): void;
  /** Another node has stopped, as far as this one knows. */
  left(node: OrdersNode, from: string): void;
  /** A channel has no members on this node any longer. */
  membersLeft(node: OrdersNode, channel: string): void;
}

export const TIMES = { repeatMs: 500, settleMs: 1000, keepMs: 20_000, waitMs: 250, rememberMs: 40_000 } as const;
const LOST_MS = 6000;
const EVERYBODY = 'n:*';

export class OrdersNode implements Obedience {
  readonly process: Process;
  readonly link: Link<Message>;
  readonly given: GivenOrders;
  readonly obeyed: ObeyedOrders;
  readonly replaces: Replaces;
  /** Since when a channel has had members. */
  readonly members = new Map<string, number>();
  /** The connections of each user. */
  readonly tabs = new Map<string, Set<string>>();
  readonly on = new Set<string>();
  /** When each other node was heard last. */
  readonly peers = new Map<string, number>();
  readonly lost = new Set<string>();
  isDown = false;
  isGone = false;
  dropped = 0;
  /** How many copies of its orders it has sent to nodes. */
  copies = 0;
  /** Where the order that is obeyed now has come from. */
  road: 'channel' | 'elsewhere' = 'elsewhere';
  private lastId = 0;

  constructor(
    readonly name: string,
    classes: OrderClasses,
    time: ManualClock,
    private readonly bus: LossyBus<Message>,
    private readonly watcher: Watcher,
    maxKept: number,
  ) {
    this.process = new Process(time);
    this.link = new Link(name, this.process, (channel, from, message) => this.receive(channel, from, message));
    for (const channel of [EVERYBODY, `n:${name}`]) this.link.channels.add(channel);
    bus.links.push(this.link);
    const options = { ...TIMES, clock: this.process };
    const send = (given: GivenOrder, to: string) => {
      this.copies++;
      this.publish(`n:${to}`, { kind: 'order', ...given });
    };
    this.given = new classes.GivenOrders({ ...options, maxKept }, send, (count) => (this.dropped += count));
    this.obeyed = new classes.ObeyedOrders({ ...options, self: name, maxRemembered: 100_000 }, this);
    this.replaces = new classes.Replaces();
  }

  get isUsable(): boolean {
    return !this.isGone && !this.process.isStalled;
  }

  hasMembers(channel: string): boolean {
    return this.members.has(channel) || (this.tabs.get(channel)?.size ?? 0) > 0 || channel === `c:${this.name}`;
  }

  isOn(channel: string): boolean {
    return this.on.has(channel);
  }

  obey(order: Order, _except: readonly string[], from: string): Promise<void> | void {
    if (order.action.kind === 'disconnect') this.members.delete(order.to);
    if (order.action.kind === 'replace') this.replace(order.to, order.action.by);
    return this.watcher.obeys(this, from, order);
  }

  acknowledge(to: string, id: number): void {
    this.watcher.acknowledges(this, to, id);
    this.publish(`n:${to}`, { kind: 'obeyed', id });
  }

  nextOrder(to: string, action: Order['action']): Order {
    return { id: ++this.lastId, to, action };
  }

  /** Gives an order to whom it concerns. @returns to whom, and the promise of its end */
  give(order: Order): { to: string[]; missing: Promise<readonly string[]>; own: Promise<void> } {
    const given = { order, except: [] };
    const owner = order.to.startsWith('c:') ? order.to.slice(2) : undefined;
    const to = owner ? [owner] : [...new Set([...this.peers.keys(), ...this.given.lostIds])];
    const own = owner ? Promise.resolve() : this.obeyed.own(order, []);
    if (!owner) this.tryPublish(order.to, { kind: 'order', ...given });
    return { to, missing: this.given.give(given, to), own };
  }

  /** A tab has come back and takes the place of the user's others. Its channel is on already. */
  returns(user: string, tab: string): Order {
    this.tabs.set(user, (this.tabs.get(user) ?? new Set()).add(tab));
    this.replaces.begin(user, tab);
    return this.nextOrder(user, { kind: 'replace', by: tab });
  }

  announce(kind: 'announce' | 'leave' = 'announce'): void {
    if (this.isUsable) this.tryPublish(EVERYBODY, { kind });
  }

  /** Looks for nodes that have been silent, but not while it stood still itself. */
  sweep(): void {
    if (!this.isUsable) return;
    const now = this.process.now();
    for (const [peer, heardAt] of this.peers) {
      if (now - Math.max(heardAt, this.process.resumedAt) <= LOST_MS) continue;
      this.peers.delete(peer);
      this.lost.add(peer);
      this.given.lost(peer);
      this.watcher.knows(this);
    }
  }

  down(): void {
    if (this.isDown) return;
    this.isDown = true;
    this.given.down();
    this.watcher.knows(this);
  }

  up(): void {
    this.isDown = false;
    this.given.up();
    this.watcher.knows(this);
  }

  /** Stops in good order. */
  leave(): void {
    this.announce('leave');
    this.isGone = true;
    this.given.stop();
    this.obeyed.stop();
    this.bus.links.splice(this.bus.links.indexOf(this.link), 1);
  }

  kill(): void {
    this.isGone = true;
    this.process.isDead = true;
    this.link.cut();
  }

  private replace(user: string, by: string): void {
    const spared = this.replaces.spared(user);
    const tabs = [...(this.tabs.get(user) ?? [])].filter((tab) => tab === by || spared.includes(tab));
    this.tabs.set(user, new Set(tabs));
    this.replaces.end(user, by);
    if (!this.hasMembers(user)) this.watcher.membersLeft(this, user);
  }

  private publish(channel: string, message: Message): void {
    // Before the node notices, some calls fail and others seem to succeed
    const isRefused = !this.link.isUp && this.process.now() % 2 === 0;
    if (this.isDown || isRefused) throw new Error('The broker is away');
    this.bus.publish(this.link, channel, message);
  }

  private tryPublish(channel: string, message: Message): void {
    try {
      this.publish(channel, message);
    } catch {
      // The other road remains
    }
  }

  private receive(channel: string, from: string, message: Message): void {
    if (this.isGone) return;
    if (message.kind === 'order') this.copied(channel, from, message);
    else if (from === this.name) return;
    else if (message.kind === 'obeyed') this.given.obeyed(from, message.id);
    else this.heard(from, message.kind);
    this.watcher.knows(this, from, message.kind === 'obeyed' ? message.id : undefined);
  }

  private copied(channel: string, from: string, { order, except }: GivenOrder): void {
    const road = channel === order.to ? 'channel' : 'direct';
    this.watcher.copied(this, from, order, road);
    if (road === 'direct') return this.obeyed.direct(from, order, except);
    this.road = 'channel';
    this.obeyed.onChannel(from, order, except);
    this.road = 'elsewhere';
  }

  private heard(from: string, kind: 'announce' | 'leave'): void {
    const isNew = !this.peers.has(from);
    this.lost.delete(from);
    if (kind === 'announce') this.peers.set(from, this.process.now());
    else this.peers.delete(from);
    if (kind === 'leave') this.watcher.left(this, from);
    if (kind === 'leave') this.given.left(from);
    else if (isNew) this.given.came(from);
  }
}
