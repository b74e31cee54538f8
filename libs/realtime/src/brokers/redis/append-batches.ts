/** The appends of a turn of the event loop, in as few calls of the script as possible. */
import type { Channel } from '../../command.js';
import type { Clock } from '../../cluster/clock.js';
import { APPEND } from './history-scripts.js';
import { LinkError } from '../../cluster/link.js';
import type { ScriptedLink } from './script.js';

/** One append, with everything named as Redis has it. */
export interface Item {
  readonly keys: readonly [string, string, string];
  readonly args: readonly (string | Buffer)[];
  readonly size: number;
  readonly resolve: (head: string) => void;
  readonly reject: (error: LinkError) => void;
}

interface Batch {
  readonly channel: Channel;
  readonly items: Item[];
  bytes: number;
}

/** The most appends in one call, and the most bytes but for one append that is longer: Redis serves nobody else meanwhile. */
const MAX_ITEMS = 64;
const MAX_BYTES = 256 * 1024;

export class AppendBatches {
  /** By what the names of a partition begin with: it is always on one server. */
  private readonly batches = new Map<string, Batch>();
  private isScheduled = false;

  constructor(
    private readonly link: ScriptedLink,
    private readonly clock: Clock,
  ) {}

  /** True while appends wait for the end of the turn. */
  get isWaiting(): boolean {
    return this.batches.size > 0;
  }

  add(channel: Channel, item: Item): void {
    const prefix = this.link.prefixOf(channel);
    const batch = this.batches.get(prefix) ?? this.open(prefix, channel);
    batch.items.push(item);
    batch.bytes += item.size;
    if (batch.items.length === MAX_ITEMS || batch.bytes >= MAX_BYTES) this.flush(channel);
  }

  /** Sends what waits on the server of a channel. */
  flush(channel: Channel): void {
    const prefix = this.link.prefixOf(channel);
    const batch = this.batches.get(prefix);
    if (!batch) return;
    this.batches.delete(prefix);
    void this.send(batch);
  }

  private open(prefix: string, channel: Channel): Batch {
    const batch: Batch = { channel, items: [], bytes: 0 };
    this.batches.set(prefix, batch);
    if (!this.isScheduled) {
      this.isScheduled = true;
      this.clock.soon(() => this.flushAll());
    }
    return batch;
  }

  private flushAll(): void {
    this.isScheduled = false;
    const batches = [...this.batches.values()];
    this.batches.clear();
    for (const batch of batches) void this.send(batch);
  }

  private async send({ channel, items }: Batch): Promise<void> {
    const keys = items.flatMap((item) => item.keys);
    const args = [this.link.isSharded ? 'SPUBLISH' : 'PUBLISH', ...items.flatMap((item) => item.args)];
    try {
      const results = (await this.link.run(channel, { script: APPEND, keys, args })) as unknown[];
      for (const [index, item] of items.entries()) settle(item, results[index]);
    } catch (error) {
      for (const { reject } of items) reject(error as LinkError);
    }
  }
}

function settle({ resolve, reject }: Item, result: unknown): void {
  const text = String(result);
  if (text.startsWith('!')) reject(new LinkError('refused', `Redis refused: ${text.slice(1)}`));
  else resolve(text);
}
