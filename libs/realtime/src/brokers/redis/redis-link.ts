/** The link over ioredis. Connections that are lost are made again for as long as it is not stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import { detached } from '../../async-context.js';
import { OptionsError } from '../../errors.js';
import { loadIoredis } from './client.js';
import { LINK_TIMES, LinkError, type LinkEvents, type LinkTimes } from '../../cluster/link.js';
import type { Partition } from './partition.js';
import { Placement } from './placement.js';
import { Resends } from './resends.js';
import type { Script, ScriptCall, ScriptedLink } from './script.js';
import { Subscriptions } from './subscriptions.js';
import { topologyOf, type PassedClient, type Topology } from './topology.js';

export interface RedisLinkOptions {
  /** A URL in one of the forms of `REALTIME_REDIS_URL`, or an instance of ioredis, which is left as it is. */
  readonly at: string | PassedClient;
  /** The name of the application, which all names in Redis begin with. */
  readonly app: string;
  /** The id of this node, unique in the application. */
  readonly node: string;
  readonly times?: Partial<LinkTimes>;
  /** Loaded on every connection. Default: none. */
  readonly scripts?: readonly Script[];
}

/** How many attempts a slot that moves may take before the link reports that it is down. */
const QUIET_ATTEMPTS = 3;

/**
 * Makes a link; its `start` connects it.
 *
 * @throws OptionsError when ioredis is not installed or too old, or the URL is not one
 * @example const link = await redisLink({ at: 'redis://127.0.0.1', app: 'shop', node: 'n1' });
 */
export async function redisLink({ at, times, ...options }: RedisLinkOptions): Promise<ScriptedLink> {
  const all = { ...LINK_TIMES, ...times };
  return new RedisLink(topologyOf(at, await loadIoredis(), all.timeoutMs), all, options);
}

class RedisLink implements ScriptedLink {
  isUp = false;
  private readonly placement: Placement;
  private readonly subscriptions: Subscriptions;
  private readonly resends: Resends<Partition>;
  private readonly stopping = new AbortController();
  private events!: LinkEvents;
  private hasBeenUp = false;
  private isRepairing = false;

  constructor(
    private readonly topology: Topology,
    private readonly times: LinkTimes,
    { app, node, scripts = [] }: Omit<RedisLinkOptions, 'at' | 'times'>,
  ) {
    const repair = () => detached(() => void this.repair());
    this.placement = new Placement(
      topology,
      { app, node, times, scripts },
      {
        message: (channel, bytes) => this.events.message(channel, bytes),
        lost: (reason) => {
          this.fall(reason);
          repair();
        },
        moved: repair,
      },
    );
    this.subscriptions = new Subscriptions((channel) => this.partitionOf(channel));
    this.resends = new Resends(times.timeoutMs);
  }

  get name(): string {
    return this.topology.shown;
  }

  get isSharded(): boolean {
    return this.topology.isSharded;
  }

  get lagMs(): number | undefined {
    return this.placement.lagMs;
  }

  get size(): number {
    return this.placement.partitions.reduce((sum, { channels }) => sum + channels.size, 0);
  }

  async start(events: LinkEvents): Promise<void> {
    this.events = events;
    this.isRepairing = true;
    try {
      await this.settle();
    } catch (error) {
      if (error instanceof OptionsError) throw error;
      events.down(this.reasonOf(error));
    } finally {
      this.isRepairing = false;
    }
    detached(() => void this.repair());
  }

  publish(channel: string, bytes: Buffer): Promise<number> {
    const partition = this.partitionOf(channel);
    if (!this.topology.isSharded) return this.publishNow(partition, channel, bytes);
    const publish = () => this.publishNow(partition, channel, bytes);
    return this.resends.run(partition, publish, () => this.placement.unsettle(partition));
  }

  prefixOf(channel: string): string {
    return this.partitionOf(channel).prefix;
  }

  run(channel: string, call: ScriptCall): Promise<unknown> {
    const partition = this.partitionOf(channel);
    const run = () => partition.pair?.run(call) ?? Promise.reject(this.unavailable());
    return this.resends.run(partition, run, () => this.placement.unsettle(partition));
  }

  arrived(channel: string): Promise<void> {
    return this.partitionOf(channel).pair?.arrived() ?? Promise.reject(this.unavailable());
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (!this.isUp) throw this.unavailable();
    await this.subscriptions.subscribe(channels);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (!this.isUp) throw this.unavailable();
    await this.subscriptions.unsubscribe(channels);
  }

  async stop(): Promise<void> {
    this.isUp = false;
    this.stopping.abort();
    this.placement.close();
  }

  private partitionOf(channel: string): Partition {
    return this.placement.partitions[this.topology.partitionOf(channel)]!;
  }

  private publishNow({ pair, prefix }: Partition, channel: string, bytes: Buffer): Promise<number> {
    return pair ? pair.publish(prefix + channel, bytes) : Promise.reject(this.unavailable());
  }

  private unavailable(): LinkError {
    return new LinkError('unavailable', `Redis is not reachable (${this.name})`);
  }

  private reasonOf(error: unknown): string {
    return this.topology.redact(error instanceof Error ? error.message : String(error));
  }

  private get isStopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Pauses are random from 0 to a bound that doubles, so that many nodes do not return at once. */
  private async repair(): Promise<void> {
    if (this.isRepairing) return;
    this.isRepairing = true;
    for (let attempt = 0; !this.isStopped && !this.placement.isWhole; attempt++) {
      await this.pause(attempt);
      if (this.isStopped) break;
      await this.settle().catch((error: unknown) => {
        if (attempt >= QUIET_ATTEMPTS) this.fall(this.reasonOf(error));
      });
    }
    this.isRepairing = false;
  }

  private async pause(attempt: number): Promise<void> {
    const boundMs = Math.min(this.times.maxBackoffMs, this.times.backoffMs * 2 ** attempt);
    const { signal } = this.stopping;
    await sleep(Math.random() * boundMs, undefined, { ref: false, signal }).catch(() => {});
  }

  private async settle(): Promise<void> {
    await this.placement.settle();
    if (this.isStopped || !this.placement.isWhole) return;
    const gaps = this.placement.takeGaps();
    if (!this.isUp) this.rise();
    if (this.hasBeenUp && gaps.length > 0) this.events.gap(gaps);
    this.hasBeenUp = true;
  }

  private rise(): void {
    this.isUp = true;
    this.events.up();
  }

  private fall(reason: string): void {
    if (!this.isUp || this.isStopped) return;
    this.isUp = false;
    this.events.down(this.topology.redact(reason));
  }
}
