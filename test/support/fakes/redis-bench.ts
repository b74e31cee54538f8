/** Histories in a real Redis, under the contract: one link that appends, and what it hears. */
import { HISTORY_SCRIPTS } from '../../../libs/realtime/src/brokers/redis/history-scripts.js';
import { RedisHistory } from '../../../libs/realtime/src/brokers/redis/redis-history.js';
import { readPosition } from '../../../libs/realtime/src/cluster/position.js';
import type { HistoryBench } from '../../contracts/history.contract.js';
import { Links } from '../../contracts/broker-link.contract.js';
import { until } from '../process-guard.js';
import type { RedisProcess } from '../redis.js';

export class RedisBench implements HistoryBench {
  private constructor(
    readonly history: RedisHistory,
    private readonly links: Links,
    private readonly nodes: readonly RedisProcess[],
    private readonly made: Awaited<ReturnType<Links['make']>>,
  ) {}

  static async start(url: string, nodes: readonly RedisProcess[]): Promise<RedisBench> {
    const links = new Links();
    const made = await links.make({ at: url, scripts: HISTORY_SCRIPTS });
    return new RedisBench(new RedisHistory(made.link), links, nodes, made);
  }

  get link() {
    return this.made.link;
  }

  get log() {
    return this.made.log;
  }

  subscribe(channels: readonly string[]): Promise<void> {
    return this.link.subscribe(channels);
  }

  async delivered(count: number): Promise<string[]> {
    const { bytes, messages } = this.made.log;
    await until(
      `${count} entries`,
      () => bytes.length,
      (length) => length >= count,
    );
    return bytes.map((entry, index) => {
      const found = readPosition(entry);
      if (typeof found === 'string') throw new Error(`published ${entry.toString()}`);
      const { n, tag, previous } = found.position;
      const channel = messages[index]!.slice(0, messages[index]!.length - entry.toString().length - 1);
      return `${channel} ${n}.${tag} ${previous} ${entry.subarray(found.length).toString()}`;
    });
  }

  arrived(channel: string): Promise<void> {
    return this.history.arrived(channel);
  }

  clear(): void {
    this.made.log.bytes.length = this.made.log.messages.length = 0;
  }

  async flush(): Promise<void> {
    for (const { commands } of this.nodes) await commands.flushall();
  }

  async stop(): Promise<void> {
    await this.links.stop();
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}
