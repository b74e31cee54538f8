/** The nodes that fell silent a short while ago: orders to all nodes are kept for them, because they may come back. */
import type { Clock } from './clock.js';
import type { NodeId } from './format.js';

/** Anyone who can publish could invent nodes and let them fall silent. */
const MAX_LOST = 1000;

export class LostNodes {
  /** Since when each has been lost, in milliseconds of the clock; the longest lost first. */
  private readonly since = new Map<NodeId, number>();
  private isPaused = false;

  /** @param keepMs how long a lost node is remembered, in milliseconds */
  constructor(
    private readonly clock: Clock,
    private readonly keepMs: number,
  ) {}

  /** The longest lost first. */
  get ids(): NodeId[] {
    this.forget();
    return [...this.since.keys()];
  }

  has(node: NodeId): boolean {
    return this.since.has(node);
  }

  hasAll(nodes: Iterable<NodeId>): boolean {
    for (const node of nodes) if (!this.since.has(node)) return false;
    return true;
  }

  add(node: NodeId): void {
    this.since.delete(node);
    this.since.set(node, this.clock.now());
    this.forget();
  }

  delete(node: NodeId): void {
    this.since.delete(node);
  }

  clear(): void {
    this.since.clear();
  }

  /** Forgets nobody until `resume`: while the broker is away, no node can come back. */
  pause(): void {
    this.isPaused = true;
  }

  /** From now on, each node has the whole time again. */
  resume(): void {
    this.isPaused = false;
    for (const node of this.since.keys()) this.since.set(node, this.clock.now());
  }

  private forget(): void {
    const before = this.clock.now() - this.keepMs;
    for (const [node, since] of this.since) {
      const isOver = !this.isPaused && since <= before;
      if (isOver || this.since.size > MAX_LOST) this.since.delete(node);
    }
  }
}
