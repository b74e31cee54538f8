/** Redis processes of a test: each on a free port, with a folder of its own, stopped by its process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { until, within } from './process-guard.js';
import { toolPath } from './tools.js';

/** How many times ports are chosen, because tests that run at the same time take ports too. */
const ATTEMPTS = 3;

export class RedisProcess {
  private output = '';
  private child!: ChildProcess;
  private client?: Redis;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly args: readonly string[],
    private readonly isSentinel: boolean,
  ) {}

  /**
   * @param settings lines of redis.conf
   * @throws Error when there is no redis-server (`npm run test:setup` installs it or says how), or when it does not run
   */
  static async start(settings: readonly string[] = [], kind: 'server' | 'sentinel' = 'server'): Promise<RedisProcess> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort(settings.some((line) => line.startsWith('cluster-enabled')));
      const folder = mkdtempSync(join(tmpdir(), 'redis-'));
      const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, 'save ""', 'appendonly no', ...settings];
      const path = join(folder, 'redis.conf');
      writeFileSync(
        path,
        (kind === 'sentinel' ? lines.filter((line) => !/^(save|append)/.test(line)) : lines).join('\n'),
      );
      const args = kind === 'sentinel' ? [path, '--sentinel'] : [path];
      const redis = new RedisProcess(port, folder, args, kind === 'sentinel');
      try {
        await redis.restart();
        return redis;
      } catch (error) {
        await redis.stop();
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** A connection of the test to this server, made when it is first asked for. */
  get commands(): Redis {
    return (this.client ??= this.connect());
  }

  /** Starts the process again on the same port. */
  async restart(): Promise<void> {
    this.child = spawn(toolPath('redis-server'), this.args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-10_000)));
    }
    const ready = this.isSentinel ? 'Sentinel ID is' : 'Ready to accept connections';
    this.output = '';
    await until(
      `redis-server on port ${this.port}`,
      () => this.state(ready),
      (state) => state === 'ready',
    );
  }

  /** Kills the process, as a crash would. */
  async kill(): Promise<void> {
    this.disconnect();
    if (!this.isRunning) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }

  /** Forgets what it has kept on the disk, while it does not run. */
  forget(): void {
    rmSync(join(this.folder, 'appendonlydir'), { recursive: true, force: true });
  }

  /** Stops the process from running without ending it, or lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(name);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private connect(): Redis {
    const client = new Redis({
      port: this.port,
      host: '127.0.0.1',
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    client.on('error', () => {});
    return client;
  }

  private disconnect(): void {
    this.client?.disconnect();
    this.client = undefined;
  }

  private get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private state(ready: string): string {
    if (!this.isRunning) throw new Error(`redis-server does not run:\n${this.output}`);
    return this.output.includes(ready) ? 'ready' : 'starting';
  }
}

/** A server that speaks TLS on a port of its own. Its certificate, test/fixtures/tls/cert.pem, signs itself. */
export async function startTls(): Promise<{ redis: RedisProcess; url: string; certificate: string }> {
  const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
  const certificate = file('cert.pem');
  const port = await freePort();
  const redis = await RedisProcess.start([
    ...[`tls-port ${port}`, `tls-cert-file ${certificate}`, `tls-key-file ${file('key.pem')}`],
    'tls-auth-clients no',
  ]);
  return { redis, url: `rediss://127.0.0.1:${port}`, certificate };
}

/** A Cluster of three masters without replicas; each has a third of the slots. */
export async function startCluster(settings: readonly string[] = []): Promise<RedisProcess[]> {
  const lines = ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-config-file nodes.conf', ...settings];
  const nodes = await Promise.all([1, 2, 3].map(() => RedisProcess.start(lines)));
  const [first] = nodes;
  for (const [index, { commands }] of nodes.entries()) {
    await commands.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    await commands.call(
      'CLUSTER',
      'ADDSLOTSRANGE',
      Math.ceil((index * 16384) / 3),
      Math.ceil(((index + 1) * 16384) / 3) - 1,
    );
  }
  for (const { commands } of nodes) {
    const ask = async () => {
      const info = String(await commands.call('CLUSTER', 'INFO'));
      // A meeting that takes longer than a second, as on a busy machine, is forgotten, and not repeated by the nodes
      if (/cluster_known_nodes:[12]\b/.test(info)) {
        for (const node of nodes.slice(1)) await node.commands.call('CLUSTER', 'MEET', '127.0.0.1', first!.port);
      }
      return info;
    };
    const isWhole = (info: string) => info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3');
    await until('the Cluster', ask, isWhole);
  }
  return nodes;
}

export const clusterUrl = (nodes: readonly RedisProcess[]) =>
  `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

export interface SentinelTrio {
  readonly master: RedisProcess;
  readonly replica: RedisProcess;
  readonly sentinels: readonly RedisProcess[];
  readonly url: string;
  stop(): Promise<void>;
}

/** A master, a replica and three sentinels that find a dead master within a second. */
export async function startSentinels(): Promise<SentinelTrio> {
  const master = await RedisProcess.start(['repl-diskless-sync-delay 0']);
  const replica = await RedisProcess.start([`replicaof 127.0.0.1 ${master.port}`]);
  const watch = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 2000',
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => RedisProcess.start(watch, 'sentinel')));
  for (const { commands } of sentinels) {
    const ask = async () => (await commands.call('SENTINEL', 'MASTER', 'main')) as string[];
    const field = (all: string[], name: string) => all[all.indexOf(name) + 1];
    const isReady = (all: string[]) => field(all, 'num-slaves') === '1' && field(all, 'num-other-sentinels') === '2';
    await until('the sentinels', ask, isReady, 30_000);
  }
  const all = [...sentinels, replica, master];
  const url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
  const stop = () =>
    within(
      10_000,
      'Redis to end',
      Promise.all(all.map((each) => each.stop())).then(() => {}),
    );
  return { master, replica, sentinels, url, stop };
}

/** @param hasBus also leaves room for the port of the Cluster's bus, which is higher by 10,000 */
export async function freePort(hasBus = false): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (!hasBus || port < 55_000) return port;
  }
}
