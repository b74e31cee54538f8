/**
 * Connections that take the place of the user's others, until their own `replace` has come back from the broker: each
 * ignores the replaces of others until then. Orders on a user's channel come to all nodes in one order, so of two tabs
 * that return at the same time the one that comes second in it closes the first, and is not closed by it.
 */
export class Replaces {
  /** The user of each connection, in the order in which the replaces began. */
  private readonly users = new Map<string, string>();
  private readonly pending = new Map<string, Set<string>>();

  /** @param max how many replaces are pending at most; beyond it the oldest, which is overdue, ends */
  constructor(private readonly max = 100_000) {}

  /** How many replaces are pending. */
  get size(): number {
    return this.users.size;
  }

  /** A connection is about to give its replace. MUST be called before the order is given. */
  begin(userId: string, connectionId: string): void {
    const former = this.users.get(connectionId);
    if (former !== undefined) this.end(former, connectionId);
    this.users.set(connectionId, userId);
    const connections = this.pending.get(userId);
    if (connections) connections.add(connectionId);
    else this.pending.set(userId, new Set([connectionId]));
    if (this.users.size <= this.max) return;
    const [oldest] = this.users;
    this.end(oldest![1], oldest![0]);
  }

  /** True while the replaces of others do not close this connection. */
  isPending(userId: string, connectionId: string): boolean {
    return this.pending.get(userId)?.has(connectionId) ?? false;
  }

  /** The connections of a user that the replaces of others do not close. */
  spared(userId: string): readonly string[] {
    return [...(this.pending.get(userId) ?? [])];
  }

  /** The replace of this connection has come back, or the connection is closed. */
  end(userId: string, connectionId: string): void {
    const connections = this.pending.get(userId);
    if (!connections?.delete(connectionId)) return;
    this.users.delete(connectionId);
    if (connections.size === 0) this.pending.delete(userId);
  }
}
