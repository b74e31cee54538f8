/**
 * Connections that have taken the place of their user's others. A replace closes a connection only if its pair, the id
 * of the order and the connection that gives it, is greater than the connection's own pair. All nodes compare alike, so
 * of tabs that return at the same time exactly the one with the greatest pair stays, in whatever order, on whatever way
 * and however late their orders arrive.
 */
import type { Clock } from './clock.js';
import { OBEYED_ORDERS } from './obeyed-orders.js';

export interface ReplacesOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** How long a pair is remembered, in milliseconds: as long as an order with a smaller one can still arrive. */
  readonly rememberMs: number;
  /** How many users are remembered; beyond it the oldest pair is forgotten. */
  readonly maxRemembered: number;
}

/** The default of each setting. */
export const REPLACES = { rememberMs: OBEYED_ORDERS.rememberMs, maxRemembered: 100_000 } as const;

interface Pair {
  readonly connectionId: string;
  readonly id: number;
  readonly at: number;
}

export class Replaces {
  /** The last replace of each user on this node, in the order in which they began: it closes the ones before it. */
  private readonly last = new Map<string, Pair>();

  constructor(private readonly options: ReplacesOptions) {}

  /** How many users are remembered. */
  get size(): number {
    this.forget();
    return this.last.size;
  }

  /**
   * A connection of this node is about to give its replace. MUST be called before the order is given.
   *
   * @param id of the order; greater than those before
   */
  begin(userId: string, connectionId: string, id: number): void {
    this.last.delete(userId);
    this.last.set(userId, { connectionId, id, at: this.options.clock.now() });
    this.forget();
  }

  /**
   * Returns the connections of a user whose own pair is greater than that of a replace: it does not close them.
   *
   * @param id of the order
   * @param by the connection that gives it
   * @example const except = replaces.spared('7', order.id, order.action.by).map(channelOf.connection);
   */
  spared(userId: string, id: number, by: string): readonly string[] {
    this.forget();
    const own = this.last.get(userId);
    return own && isGreater(own, id, by) ? [own.connectionId] : [];
  }

  private forget(): void {
    const { clock, rememberMs, maxRemembered } = this.options;
    const before = clock.now() - rememberMs;
    for (const [userId, { at }] of this.last) {
      if (at > before && this.last.size <= maxRemembered) return;
      this.last.delete(userId);
    }
  }
}

/** Ids of connections are ASCII, so that they compare alike everywhere. */
const isGreater = (own: Pair, id: number, by: string) => (own.id === id ? own.connectionId > by : own.id > id);
