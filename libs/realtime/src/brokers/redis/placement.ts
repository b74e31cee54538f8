/** Which pair of connections serves which partition, and how all of them get one again. */
import { Pair, type PairOwner } from './pair.js';
import { Partition } from './partition.js';
import type { LinkTimes } from '../../cluster/link.js';
import type { Script } from './script.js';
import type { Server, Topology } from './topology.js';

export interface PlacementEvents {
  message(channel: string, bytes: Buffer): void;
  /** Partitions have no server now. */
  lost(reason: string): void;
  /** Partitions have to be subscribed again, while their server goes on. */
  moved(): void;
}

export interface PlacementOptions {
  readonly app: string;
  readonly node: string;
  readonly times: LinkTimes;
  readonly scripts: readonly Script[];
}

export class Placement implements PairOwner {
  readonly partitions: readonly Partition[];
  private readonly pairs = new Map<string, Pair>();
  /** Partitions that may have lost messages. */
  private readonly gaps = new Set<Partition>();
  private isOver = false;

  constructor(
    private readonly topology: Topology,
    private readonly options: PlacementOptions,
    private readonly events: PlacementEvents,
  ) {
    const numbers = Array.from({ length: topology.partitions }, (_, number) => number);
    this.partitions = numbers.map((number) => new Partition(number, topology.prefixOf(options.app, number)));
  }

  /** True when every partition is on its server. */
  get isWhole(): boolean {
    return this.partitions.every(({ isStale }) => !isStale);
  }

  get lagMs(): number | undefined {
    const lags = [...this.pairs.values()].flatMap(({ lagMs }) => lagMs ?? []);
    return lags.length > 0 ? Math.max(...lags) : undefined;
  }

  /** Brings each partition to its server. @throws when one cannot be served; what was done stays */
  async settle(): Promise<void> {
    const servers = await this.topology.servers();
    const jobs = new Map<Server['key'], { server: Server; partitions: Partition[] }>();
    for (const partition of this.partitions) {
      const server = servers[partition.number]!;
      if (partition.pair?.key !== server.key) partition.isStale = true;
      if (!partition.isStale) continue;
      this.gaps.add(partition);
      const job = jobs.get(server.key) ?? { server, partitions: [] };
      job.partitions.push(partition);
      jobs.set(server.key, job);
    }
    const results = await Promise.allSettled([...jobs.values()].map((job) => this.serve(job.server, job.partitions)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) throw failure.reason;
    await this.tidy();
  }

  /** @returns the channels that may have lost messages since the last call */
  takeGaps(): readonly string[] | 'all' {
    const isAll = this.gaps.size === this.partitions.length;
    const channels = [...this.gaps].flatMap((partition) => [...partition.channels]);
    this.gaps.clear();
    return isAll ? 'all' : channels;
  }

  close(): void {
    this.isOver = true;
    for (const pair of this.pairs.values()) pair.close();
    this.pairs.clear();
    for (const partition of this.partitions) partition.pair = undefined;
  }

  message(name: string, bytes: Buffer): void {
    const end = this.topology.isSharded ? name.indexOf('}.') + 2 : name.indexOf(':') + 1;
    this.events.message(name.slice(end), bytes);
  }

  lost(pair: Pair, reason: string): void {
    if (this.pairs.get(pair.key) !== pair) return;
    this.pairs.delete(pair.key);
    const own = this.of(pair);
    for (const partition of own) {
      partition.pair = undefined;
      partition.isStale = true;
    }
    if (own.length > 0) this.events.lost(reason);
  }

  moved(pair: Pair): void {
    for (const partition of this.of(pair)) partition.isStale = true;
    this.events.moved();
  }

  /** The server refuses a publish of this partition because something moves. */
  unsettle(partition: Partition): void {
    partition.isStale = true;
    this.events.moved();
  }

  private of(pair: Pair): Partition[] {
    return this.partitions.filter((partition) => partition.pair === pair);
  }

  private async serve(server: Server, partitions: readonly Partition[]): Promise<void> {
    const pair = this.pairs.get(server.key) ?? (await this.open(server, partitions[0]!));
    for (const partition of partitions) await partition.moveTo(pair);
  }

  private async open(server: Server, first: Partition): Promise<Pair> {
    const { isSharded, redact } = this.topology;
    const { times, scripts } = this.options;
    const connect = () => server.connect();
    const probeChannel = this.probeChannelOf(first);
    const pair = new Pair({ key: server.key, connect, isSharded, probeChannel, times, redact, scripts }, this);
    this.pairs.set(server.key, pair);
    try {
      await pair.open();
    } catch (error) {
      if (this.pairs.get(server.key) === pair) this.pairs.delete(server.key);
      throw error;
    }
    if (this.isOver) pair.close();
    return pair;
  }

  private probeChannelOf({ prefix }: Partition): string {
    return `${prefix}probe:${this.options.node}`;
  }

  /** Pairs without partitions end, and none probes in a partition that has gone elsewhere. */
  private async tidy(): Promise<void> {
    for (const pair of this.pairs.values()) {
      const own = this.of(pair);
      const channels = own.map((partition) => this.probeChannelOf(partition));
      if (own.length === 0) this.retire(pair);
      else if (!channels.includes(pair.probeChannel)) await pair.probeOn(channels[0]!);
    }
  }

  private retire(pair: Pair): void {
    this.pairs.delete(pair.key);
    pair.retire();
  }
}
