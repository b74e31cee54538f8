/** Drops signed frames that are sent a second time: the counter of a node only rises on each channel. */
import type { NodeId } from './format.js';

export class ReplayGuard {
  /** The highest counters, the ones that were longest silent first. */
  private readonly highest = new Map<string, number>();

  /** @param size how many pairs of node and channel are remembered; beyond it the longest silent one is forgotten */
  constructor(private readonly size = 100_000) {}

  /** @returns false when a counter is not above the highest that this node has used on this channel */
  take(node: NodeId, channel: string, counter: number): boolean {
    // No node id has a space in it
    const key = `${node} ${channel}`;
    const highest = this.highest.get(key);
    if (highest !== undefined) {
      if (counter <= highest) return false;
      this.highest.delete(key);
    } else if (this.highest.size >= this.size) {
      this.highest.delete(this.highest.keys().next().value!);
    }
    this.highest.set(key, counter);
    return true;
  }
}
