/**
 * Road OUT, step 7: orders that reach this node, each obeyed once. An order comes twice, on its channel and to the node:
 * where members are here, the copy on the channel is waited for, because it has its place among the pushes.
 */
import type { Channel } from '../command.js';
import type { Clock } from './clock.js';
import type { NodeId } from './format.js';
import type { Order } from './messages.js';
import { firstWhile } from './sets.js';

export interface ObeyedOrdersOptions {
  /** This node: its own orders are obeyed too, but not acknowledged. */
  readonly self: NodeId;
  readonly clock: Clock;
  /** How long the copy on the channel is waited for, in milliseconds. */
  readonly waitMs: number;
  /** How long an order is remembered, in milliseconds: longer than its giver repeats it. */
  readonly rememberMs: number;
  /** How many orders are remembered; beyond it the oldest is forgotten. */
  readonly maxRemembered: number;
}

/** The default of each setting. */
export const OBEYED_ORDERS = { waitMs: 250, rememberMs: 120_000, maxRemembered: 100_000 } as const;

/** What orders are obeyed with. */
export interface Obedience {
  hasMembers(channel: Channel): boolean;
  /** True when the subscription is confirmed, so that the copy on the channel will come. */
  isOn(channel: Channel): boolean;
  /**
   * Applies an order to the members here.
   *
   * @param hasPlace whether this is its place among the pushes to its channel
   * @returns resolves when their subscriptions are confirmed. When it throws or rejects, the order counts as obeyed: one
   *   member that fails must not make it come again and again
   */
  obey(order: Order, except: readonly Channel[], from: NodeId, hasPlace: boolean): Promise<void> | void;
  /** Reports to a node that its order was obeyed. It may throw: the order then comes again. */
  acknowledge(to: NodeId, id: number): void;
}

/** A copy of an order. */
interface Copy {
  readonly from: NodeId;
  readonly order: Order;
  readonly except: readonly Channel[];
  /** True for the one on the channel. */
  readonly hasPlace?: true;
}

interface Seen {
  /** When its first copy came. */
  readonly at: number;
  /** `passed`: nobody was here to obey it. Only its copy on the channel is obeyed now, in its place. */
  state: 'passed' | 'waiting' | 'obeying' | 'obeyed';
  /** What waits for the copy on the channel. */
  copy?: Copy;
  /** Resolve the promises of this node's own order. */
  resolves?: (() => void)[];
}

export class ObeyedOrders {
  /** By node and id, in the order in which the first copies came. */
  private readonly seen = new Map<string, Seen>();
  /** Those that wait for their copy on the channel, in the same order. */
  private readonly waits = new Set<Seen>();
  private readonly clock: Clock;
  private isStopped = false;
  private isWatching = false;
  private isForgetting = false;

  constructor(
    private readonly options: ObeyedOrdersOptions,
    private readonly obedience: Obedience,
  ) {
    this.clock = options.clock;
  }

  /** How many orders are remembered. */
  get size(): number {
    return this.seen.size;
  }

  /** An order has come on its channel, among the pushes: unless it was obeyed already, this is its place. */
  onChannel(from: NodeId, order: Order, except: readonly Channel[]): void {
    if (this.isStopped) return;
    const copy: Copy = { from, order, except, hasPlace: true };
    const seen = this.find(copy) ?? this.remember(copy);
    if (seen.state === 'passed' || seen.state === 'waiting') void this.obey(seen, copy);
    else if (seen.state === 'obeyed') this.acknowledge(copy);
  }

  /** An order of another node has come on `n:<this node>`. One that was passed or obeyed is only acknowledged again. */
  direct(from: NodeId, order: Order, except: readonly Channel[]): void {
    if (this.isStopped || from === this.options.self) return;
    const copy = { from, order, except };
    const seen = this.find(copy) ?? this.begin(copy);
    if (seen.state === 'passed' || seen.state === 'obeyed') this.acknowledge(copy);
  }

  /**
   * Obeys an order of this node: when its copy returns on the channel, or after `waitMs`; at once where no copy will come.
   *
   * @returns resolves when it is obeyed, at once when nobody is here to obey it; never rejects
   * @example const [missing] = await Promise.all([given.give({ order, except }, nodes), obeyed.own(order, except)]);
   */
  own(order: Order, except: readonly Channel[]): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    const copy = { from: this.options.self, order, except };
    const seen = this.find(copy) ?? this.begin(copy);
    if (seen.state === 'passed' || seen.state === 'obeyed') return Promise.resolve();
    return new Promise((resolve) => (seen.resolves ??= []).push(resolve));
  }

  /** Forgets all orders, and settles the promises of this node's own. */
  stop(): void {
    this.isStopped = true;
    this.waits.clear();
    for (const seen of this.seen.values()) settle(seen);
    this.seen.clear();
  }

  private find(copy: Copy): Seen | undefined {
    return this.seen.get(keyOf(copy));
  }

  private remember(copy: Copy): Seen {
    const seen: Seen = { at: this.clock.now(), state: 'passed' };
    this.seen.set(keyOf(copy), seen);
    if (this.seen.size > this.options.maxRemembered) this.forgetOldest();
    this.forgetLater();
    return seen;
  }

  /** A first copy that is not in its place. */
  private begin(copy: Copy): Seen {
    const seen = this.remember(copy);
    if (!this.obedience.hasMembers(copy.order.to)) return seen;
    if (this.obedience.isOn(copy.order.to)) this.wait(seen, copy);
    else void this.obey(seen, copy);
    return seen;
  }

  private wait(seen: Seen, copy: Copy): void {
    seen.state = 'waiting';
    seen.copy = copy;
    this.waits.add(seen);
    this.watch();
  }

  private async obey(seen: Seen, copy: Copy): Promise<void> {
    seen.state = 'obeying';
    seen.copy = undefined;
    this.waits.delete(seen);
    try {
      await this.obedience.obey(copy.order, copy.except, copy.from, copy.hasPlace === true);
    } catch {
      // It counts as obeyed
    }
    seen.state = 'obeyed';
    settle(seen);
    this.acknowledge(copy);
  }

  private acknowledge({ from, order }: Copy): void {
    if (this.isStopped || from === this.options.self) return;
    try {
      this.obedience.acknowledge(from, order.id);
    } catch {
      // The order comes again
    }
  }

  /** Sets the one timer of those that wait; all wait equally long. */
  private watch(): void {
    const [oldest] = this.waits;
    if (this.isWatching || !oldest) return;
    this.isWatching = true;
    const expire = (before: number) => {
      this.isWatching = false;
      for (const seen of firstWhile(this.waits, ({ at }) => at <= before)) void this.obey(seen, seen.copy!);
      this.watch();
    };
    this.clock.after(oldest.at + this.options.waitMs - this.clock.now(), () => {
      // Where this process stood still, copies may have come, and are read in the same turn after the timers. It may
      // also stand still between the two: what is overdue only then has not been read
      const before = this.clock.now() - this.options.waitMs;
      this.clock.soon(() => expire(before));
    });
  }

  /** Sets the one timer of what is remembered. */
  private forgetLater(): void {
    const [oldest] = this.seen.values();
    if (this.isForgetting || !oldest) return;
    this.isForgetting = true;
    this.clock.after(oldest.at + this.options.rememberMs - this.clock.now(), () => {
      this.isForgetting = false;
      const before = this.clock.now() - this.options.rememberMs;
      for (const _ of firstWhile(this.seen.values(), ({ at }) => at <= before)) this.forgetOldest();
      this.forgetLater();
    });
  }

  private forgetOldest(): void {
    const [[key, oldest]] = this.seen as Iterable<[string, Seen]> as [[string, Seen]];
    this.seen.delete(key);
    if (oldest.state === 'waiting') void this.obey(oldest, oldest.copy!);
  }
}

/** No node id has a space in it. */
const keyOf = ({ from, order }: Copy) => `${from} ${order.id}`;

function settle(seen: Seen): void {
  for (const resolve of seen.resolves ?? []) resolve();
  seen.resolves = undefined;
}
