/** An application of several workers (test/fixtures/worker-app.*), started as a person would: its primary and its workers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { until, within } from '../process-guard.js';
import { environment } from './child-app.js';
import { Child } from './cluster-app.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export interface GroupOptions {
  readonly main?: 'worker-app.mjs' | 'worker-app.cjs';
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** The whole command. Default: Node with the preload and the main script. */
  readonly command?: readonly string[];
}

export class WorkerGroup extends Child {
  port = 0;
  workers = 2;

  /** Starts it; `ready` waits until all workers listen. */
  static async launch({ main = 'worker-app.mjs', workers = 2, env = {}, command }: GroupOptions = {}) {
    const port = await freePort();
    const [file, ...args] = command ?? [
      process.execPath,
      '--import',
      'nestjs-realtime/workers',
      `test/fixtures/${main}`,
    ];
    const own = {
      ...{ APP_PORT: String(port), REALTIME_WORKERS: String(workers), REALTIME_ALLOWED_ORIGINS: '*' },
      ...{ REALTIME_APP: `t${process.pid}-${port}`, REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '0' },
      ...{ REALTIME_MAX_CONNECTION_RATE: '100000', REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '100000' },
    };
    const child = spawn(file!, args, {
      ...{ cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: environment({ ...own, ...env }) },
    });
    return Object.assign(new WorkerGroup(child), { port, workers });
  }

  static async start(options: GroupOptions = {}): Promise<WorkerGroup> {
    const group = await WorkerGroup.launch(options);
    await group.ready();
    return group;
  }

  /** Waits until so many workers listen. */
  async ready(count = this.workers): Promise<void> {
    const isThere = () => !this.isRunning || this.lines('main listens').length >= count;
    await until(`${count} workers`, isThere, Boolean, 60_000);
    if (!this.isRunning) throw this.died();
  }

  async said(text: string | RegExp, count = 1): Promise<void> {
    const found = () => this.output.split('\n').filter((line) => line.search(text) >= 0).length;
    await until(`${count} × ${text} in:\n${this.output.slice(-3000)}`, found, (times) => times >= count, 60_000);
  }

  /** The process ids of the workers, in the order of their start. */
  get pids(): number[] {
    return this.lines('main runs pid=').map((line) => Number(/pid=(\d+)/.exec(line)![1]));
  }

  connect(): Promise<GroupClient> {
    return GroupClient.open(this.port);
  }

  /** Ends all of it at once. What the process has started may outlive it, and holds its output open. */
  override async kill(): Promise<void> {
    const primaries = this.lines('starts').flatMap((line) => /workers pid=(\d+)/.exec(line)?.[1] ?? []);
    if (this.isRunning) this.signal('SIGKILL');
    for (const pid of [...primaries.map(Number), ...this.pids]) end(pid);
    await super.kill();
    const isGone = () => this.pids.every((pid) => !isRunning(pid));
    await until('the end of all workers', isGone, Boolean, 20_000);
  }
}

/** Connects until there is a client on each of so many workers. */
export async function onEach(group: WorkerGroup, count: number): Promise<GroupClient[]> {
  const clients = new Map<number, GroupClient>();
  await until(
    `clients on ${count} workers`,
    async () => {
      const client = await group.connect();
      clients.set(await client.pid(), client);
      return clients.size;
    },
    (size) => size === count,
    30_000,
  );
  return [...clients.values()];
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended
  }
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** One group for several tests: the first that runs starts it, and one that has ended it does no harm to the next. */
export class SharedGroup {
  private group?: WorkerGroup;

  constructor(private readonly options: GroupOptions) {}

  async running(): Promise<WorkerGroup> {
    if (!this.group?.isRunning) this.group = await WorkerGroup.start(this.options);
    return this.group;
  }

  async kill(): Promise<void> {
    await this.group?.kill();
  }
}

export class GroupClient {
  readonly texts: string[] = [];
  close?: { code: number; reason: string };

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.texts.push(data.toString()));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => (this.close = { code, reason: reason.toString() }));
  }

  /** @throws Error when it cannot connect */
  static async open(port: number): Promise<GroupClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    const client = new GroupClient(socket);
    await within(
      20_000,
      'a handshake',
      new Promise<void>((resolve, reject) => void socket.once('open', resolve).once('error', reject)),
    );
    return client;
  }

  /** The process that it is connected to. */
  async pid(): Promise<number> {
    await this.until('pid ');
    return Number(this.texts.find((text) => text.startsWith('pid '))!.slice(4));
  }

  async until(text: string): Promise<void> {
    await until(
      text,
      () => this.texts,
      (texts) => texts.some((each) => each.startsWith(text)),
      20_000,
    );
  }

  async closed(): Promise<{ code: number; reason: string }> {
    return (await until('a close', () => this.close, Boolean, 20_000))!;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
