import { LinkError } from '../../cluster/link.js';
import type { Pair } from './pair.js';

/** The most channels in one command. */
const BATCH = 512;

/** Channels that are always on the same server: all of them, or on a Cluster one part in 128. */
export class Partition {
  /** What is kept subscribed. */
  readonly channels = new Set<string>();
  /** Where it is subscribed and published; undefined while the server is away. */
  pair?: Pair;
  /** True while its channels have to be subscribed again. The pair stays in use until then. */
  isStale = true;
  /** Grows with each change of what is subscribed, so that it is noticed while all is subscribed again. */
  changes = 0;

  constructor(
    readonly number: number,
    readonly prefix: string,
  ) {}

  /** @throws LinkError while its channels have to be subscribed again */
  settledPair(): Pair {
    if (this.pair && !this.isStale) return this.pair;
    throw new LinkError('unavailable', 'The connection to Redis is being restored');
  }

  /** The names of channels in Redis. */
  named(channels: readonly string[]): string[] {
    return channels.map((channel) => this.prefix + channel);
  }

  /** Subscribes all channels there and moves there. @throws LinkError when that fails */
  async moveTo(pair: Pair): Promise<void> {
    for (let seen = -1; seen !== this.changes;) {
      seen = this.changes;
      for (const batch of batches([...this.channels])) await pair.subscribe(this.named(batch));
    }
    if (pair.isOver) throw new LinkError('unavailable', 'The connection to Redis was lost');
    this.pair = pair;
    this.isStale = false;
  }
}

/** Parts of a list that fit into one command. */
export function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, index) =>
    items.slice(index * BATCH, (index + 1) * BATCH),
  );
}
