/** Several nodes with rooms that have a history, one Redis that keeps them on its disk, and nginx in front of all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { balancer } from '../../../scripts/nginx-conf.mjs';
import { Nginx } from '../nginx.js';
import { until } from '../process-guard.js';
import { random } from '../random.js';
import type { RecoveryLedger } from '../recovery-ledger.js';
import { freePort, RedisProcess } from '../redis.js';
import { ClusterApp } from './cluster-app.js';

/** A third of the defaults, so that a node is lost after 2 s. */
const QUICK = {
  REALTIME_ANNOUNCE_INTERVAL: '0.6',
  REALTIME_NODE_LOST_TIME: '2',
  REALTIME_PROBE_INTERVAL: '3',
  REALTIME_RECONNECT_SPREAD: '0.5',
  REALTIME_GRACE_TIME: '5',
};
const UNBOUNDED = {
  REALTIME_MAX_CONNECTION_RATE: '0',
  REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '0',
  REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '0',
  REALTIME_MAX_FAILED_HANDSHAKES: '0',
  REALTIME_LOG_LIFECYCLE: 'none',
};

export interface StreamOptions {
  readonly nodes: number;
  /** The option `rooms` of `forRoot()`. */
  readonly rooms: object;
  /** The rooms that are pushed to, and how often each node pushes to the next of them, in milliseconds. */
  readonly streams: readonly string[];
  readonly everyMs: number;
  readonly env?: Readonly<Record<string, string>>;
}

interface Site {
  readonly port: number;
  app?: ClusterApp;
}

export class StreamSite {
  /** What was done to it. */
  readonly done: Record<string, number> = {};
  /** When the pushes were made that were confirmed; known when the streams have ended. */
  readonly kept: { room: string; times: readonly number[] }[] = [];
  /** The last position of each room; known when the streams have ended. */
  readonly ends = new Map<string, string>();
  private readonly sites: Site[] = [];
  private redis!: RedisProcess;
  private nginx!: Nginx;

  private constructor(
    private readonly options: StreamOptions,
    private readonly ledger: RecoveryLedger,
  ) {}

  static async start(options: StreamOptions, ledger: RecoveryLedger): Promise<StreamSite> {
    const site = new StreamSite(options, ledger);
    try {
      await site.boot();
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  get url(): string {
    return `${this.nginx.url}/ws`;
  }

  get apps(): ClusterApp[] {
    return this.sites.flatMap(({ app }) => app ?? []);
  }

  /** Ends one node and starts it again. */
  async restartNode(signal: 'SIGKILL' | 'SIGTERM', downMs: number): Promise<void> {
    const site = this.pick();
    const { app } = site;
    this.count(`node ${signal}`);
    site.app = undefined;
    app!.signal(signal);
    await app!.exited;
    await sleep(downMs);
    await this.startNode(site);
  }

  /** A node stands still for a while. */
  async stopNode(ms: number): Promise<void> {
    const { app } = this.pick();
    this.count('node SIGSTOP');
    app!.signal('SIGSTOP');
    await sleep(ms);
    app!.signal('SIGCONT');
  }

  /** @param keeps whether it comes back with everything that it had */
  async restartRedis(keeps: boolean, downMs: number): Promise<void> {
    this.count(`Redis SIGKILL, ${keeps ? 'all kept' : 'all lost'}`);
    const end = this.ledger.outage();
    await this.redis.kill();
    if (!keeps) {
      this.redis.forget();
      this.ledger.lost();
    }
    await sleep(downMs);
    await this.redis.restart();
    end();
  }

  async stopRedis(ms: number): Promise<void> {
    this.count('Redis SIGSTOP');
    const end = this.ledger.outage();
    this.redis.signal('SIGSTOP');
    await sleep(ms);
    this.redis.signal('SIGCONT');
    end();
  }

  /** Redis cuts the connections of one kind. */
  async cutRedis(type: 'pubsub' | 'normal'): Promise<void> {
    this.count(`Redis cuts ${type}`);
    const end = this.ledger.outage();
    await this.redis.commands.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
    end();
  }

  /** Ends the streams, with one more push to each room. */
  async settle(): Promise<void> {
    for (const app of this.apps) {
      const { kept, failed } = await app.ask<{ kept: Record<string, number[]>; failed: object }>('stop');
      for (const [room, times] of Object.entries(kept)) this.kept.push({ room, times });
      for (const [code, count] of Object.entries(failed)) this.count(`pushes rejected ${code}`, count as number);
    }
    const { streams } = this.options;
    const [app] = this.apps;
    const mark = () => app!.ask<Record<string, string>>('mark', streams).catch(({ message }: Error) => message);
    const ends = await until('a push to every room', mark, (is) => typeof is !== 'string', 20_000);
    for (const [room, position] of Object.entries(ends)) this.ends.set(room, position);
  }

  async stop(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.kill()));
    await this.nginx?.stop();
    await this.redis?.stop();
  }

  private async boot(): Promise<void> {
    const { nodes } = this.options;
    this.redis = await RedisProcess.start(['appendonly yes', 'appendfsync always']);
    for (let i = 0; i < nodes; i++) this.sites.push({ port: await freePort() });
    this.nginx = await Nginx.start((port) =>
      balancer(
        port,
        this.sites.map((site) => site.port),
      ),
    );
    await Promise.all(this.sites.map((site) => this.startNode(site)));
  }

  private async startNode(site: Site): Promise<void> {
    const { rooms, streams, everyMs, env } = this.options;
    const own = { APP_PORT: String(site.port), APP_ROOMS: JSON.stringify(rooms) };
    const broker = { REALTIME_REDIS_URL: this.redis.url, REALTIME_APP: 'streams' };
    const app = await ClusterApp.start({ ...QUICK, ...UNBOUNDED, ...broker, ...own, ...env }, 'stream-app');
    site.app = app;
    await app.ask('start', { rooms: streams, everyMs });
  }

  private pick(): Site {
    const there = this.sites.filter(({ app }) => app);
    return there[Math.floor(random() * there.length)]!;
  }

  private count(what: string, by = 1): void {
    this.done[what] = (this.done[what] ?? 0) + by;
  }
}
