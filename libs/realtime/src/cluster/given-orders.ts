/**
 * Road OUT, step 7: the orders that this node has given, until every node has obeyed them. A copy goes to each node and
 * is repeated until the node has acknowledged it, so that no order is lost while a node reconnects.
 */
import type { Channel } from '../command.js';
import type { Clock } from './clock.js';
import type { NodeId } from './format.js';
import { LostNodes } from './lost-nodes.js';
import type { Order } from './messages.js';
import { firstWhile } from './sets.js';

/** An order, and the members that it leaves out: those that are also in one of these channels. */
export interface GivenOrder {
  readonly order: Order;
  readonly except: readonly Channel[];
}

export interface GivenOrdersOptions {
  readonly clock: Clock;
  /** How often an order is sent again to a node that has not acknowledged it, in milliseconds. */
  readonly repeatMs: number;
  /** How long the promise of an order waits for acknowledgements, in milliseconds. */
  readonly settleMs: number;
  /** How long an order is kept for nodes that are lost or do not acknowledge it, in milliseconds. */
  readonly keepMs: number;
  /** How many orders are kept; beyond it the oldest is given up. */
  readonly maxKept: number;
}

/** The default of each setting. */
export const GIVEN_ORDERS = { repeatMs: 500, settleMs: 1000, keepMs: 60_000, maxKept: 10_000 } as const;

/** Publishes a copy on `n:<node>`. It may throw: the copy is sent again later. */
type Send = (given: GivenOrder, to: NodeId) => void;

/** Counts orders that were given up, because they were too many or too old. */
type Dropped = (count: number) => void;

interface Kept {
  readonly given: GivenOrder;
  readonly givenAt: number;
  /** When its copies are due again. */
  repeatAt: number;
  /** The nodes that have not acknowledged it. */
  readonly waitsFor: Set<NodeId>;
  readonly settle: (missing: readonly NodeId[]) => void;
}

export class GivenOrders {
  /** Those that some node has not acknowledged, in the order in which they were given. */
  private readonly kept = new Map<number, Kept>();
  /** Those whose promise is open, in the same order. */
  private readonly open = new Set<Kept>();
  /** Those that are sent again, the first due first. */
  private readonly repeats = new Set<Kept>();
  private readonly lostNodes: LostNodes;
  private readonly clock: Clock;
  private isUp = true;
  private isStopped = false;
  private isWatching = false;

  constructor(
    private readonly options: GivenOrdersOptions,
    private readonly send: Send,
    private readonly dropped: Dropped,
  ) {
    this.clock = options.clock;
    this.lostNodes = new LostNodes(options.clock, options.keepMs);
  }

  /** How many orders some node has not acknowledged. */
  get size(): number {
    return this.kept.size;
  }

  /**
   * The nodes that have been lost for less than `keepMs`. An order to all nodes is given to them too: they may only be
   * reconnecting. The time does not pass while the broker is away, when nobody can come back.
   */
  get lostIds(): NodeId[] {
    return this.lostNodes.ids;
  }

  /**
   * Sends an order to nodes, and repeats it to each until the node has acknowledged it or the order is too old.
   *
   * @param to the nodes; none: resolves at once
   * @returns resolves with the nodes that have not acknowledged it, after `settleMs` at the latest and sooner when only
   *   lost nodes have not; never rejects. The repetition goes on
   * @example const missing = await given.give({ order, except: [] }, [...nodes.ids, ...given.lostIds]);
   */
  give(given: GivenOrder, to: readonly NodeId[]): Promise<readonly NodeId[]> {
    if (to.length === 0 || this.isStopped) return Promise.resolve([...to]);
    return new Promise((settle) => {
      const givenAt = this.clock.now();
      const kept: Kept = { given, givenAt, repeatAt: 0, waitsFor: new Set(to), settle };
      this.keep(kept);
      for (const node of [...kept.waitsFor]) this.copy(kept, node);
      this.settleIfOver(kept);
      this.repeatLater(kept);
      this.watch();
    });
  }

  /** A node has acknowledged an order. One that was not given to it is ignored. */
  obeyed(from: NodeId, id: number): void {
    const kept = this.kept.get(id);
    if (kept) this.delivered(kept, from);
  }

  /** A node announces itself again: what it has not acknowledged is sent to it at once. */
  came(node: NodeId): void {
    this.lostNodes.delete(node);
    for (const kept of this.waitingFor(node)) {
      this.copy(kept, node);
      if (!this.repeats.has(kept)) this.repeatLater(kept);
    }
    this.watch();
  }

  /** A node has been silent for too long: no promise waits for it, and its orders are kept for its return. */
  lost(node: NodeId): void {
    if (this.isStopped) return;
    this.lostNodes.add(node);
    for (const kept of this.waitingFor(node)) this.settleIfOver(kept);
  }

  /** A node has stopped, and its members are gone with it. */
  left(node: NodeId): void {
    this.lostNodes.delete(node);
    for (const kept of this.waitingFor(node)) this.delivered(kept, node);
  }

  /** The broker is away: nothing is sent, and no promise waits. */
  down(): void {
    this.isUp = false;
    this.lostNodes.pause();
    this.repeats.clear();
    for (const kept of [...this.open]) this.settle(kept);
  }

  /** The broker is back: everything that is not acknowledged is sent at once, also to lost nodes. */
  up(): void {
    if (this.isStopped || this.isUp) return;
    this.isUp = true;
    this.lostNodes.resume();
    for (const kept of [...this.kept.values()]) {
      for (const node of [...kept.waitsFor]) this.copy(kept, node);
      this.repeatLater(kept);
    }
    this.watch();
  }

  /** Gives up all orders and settles their promises. */
  stop(): void {
    this.isStopped = true;
    this.down();
    this.kept.clear();
    this.lostNodes.clear();
  }

  private keep(kept: Kept): void {
    this.kept.set(kept.given.order.id, kept);
    this.open.add(kept);
    if (this.kept.size <= this.options.maxKept) return;
    const [oldest] = this.kept.values();
    this.remove(oldest!);
    this.dropped(1);
  }

  private waitingFor(node: NodeId): Kept[] {
    return [...this.kept.values()].filter(({ waitsFor }) => waitsFor.has(node));
  }

  private copy({ given, waitsFor }: Kept, to: NodeId): void {
    if (!this.isUp || !waitsFor.has(to)) return;
    try {
      this.send(given, to);
    } catch {
      // Repeated in repeatMs
    }
  }

  private delivered(kept: Kept, node: NodeId): void {
    if (!kept.waitsFor.delete(node)) return;
    if (kept.waitsFor.size === 0) this.remove(kept);
    else this.settleIfOver(kept);
  }

  private remove(kept: Kept): void {
    this.kept.delete(kept.given.order.id);
    this.repeats.delete(kept);
    this.settle(kept);
  }

  /** Settles the promise when it would wait for lost nodes only, or for none that can be reached. */
  private settleIfOver(kept: Kept): void {
    if (!this.isUp || this.lostNodes.hasAll(kept.waitsFor)) this.settle(kept);
  }

  private settle(kept: Kept): void {
    if (this.open.delete(kept)) kept.settle([...kept.waitsFor]);
  }

  /** Puts an order at the end of those that are sent again, unless nobody would hear it. */
  private repeatLater(kept: Kept): void {
    this.repeats.delete(kept);
    if (!this.isUp || this.kept.get(kept.given.order.id) !== kept || this.lostNodes.hasAll(kept.waitsFor)) return;
    kept.repeatAt = this.clock.now() + this.options.repeatMs;
    this.repeats.add(kept);
  }

  private repeat(kept: Kept): void {
    for (const node of [...kept.waitsFor]) if (!this.lostNodes.has(node)) this.copy(kept, node);
    this.repeatLater(kept);
  }

  /** Sets the one timer, never later than what is given or sent from now on is due; none when nothing is kept. */
  private watch(): void {
    if (this.isWatching || this.kept.size === 0) return;
    this.isWatching = true;
    const { repeatMs, settleMs, keepMs } = this.options;
    this.clock.after(Math.min(repeatMs, settleMs, keepMs, this.nextAt() - this.clock.now()), () => {
      this.isWatching = false;
      this.sweep();
      this.watch();
    });
  }

  /** When the first order is due to be settled, given up or sent again. */
  private nextAt(): number {
    const { settleMs, keepMs } = this.options;
    const [open] = this.open;
    const [repeat] = this.repeats;
    const [oldest] = this.kept.values();
    const settleAt = open ? open.givenAt + settleMs : Infinity;
    return Math.min(settleAt, repeat?.repeatAt ?? Infinity, oldest!.givenAt + keepMs);
  }

  private sweep(): void {
    const now = this.clock.now();
    const { settleMs, keepMs } = this.options;
    for (const kept of firstWhile(this.open, ({ givenAt }) => givenAt + settleMs <= now)) this.settle(kept);
    const old = firstWhile(this.kept.values(), ({ givenAt }) => givenAt + keepMs <= now);
    for (const kept of old) this.remove(kept);
    if (old.length > 0) this.dropped(old.length);
    for (const kept of firstWhile(this.repeats, ({ repeatAt }) => repeatAt <= now)) this.repeat(kept);
  }
}
