/** The application under attack (fixtures/hostile-app.mjs), and what must hold after every attack. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LimitName, Stats } from 'nestjs-realtime';
import { until, within } from './process-guard.js';
import { frame, type HttpAnswer, RawSocket, type RequestParts, upgradeRequest } from './raw-socket.js';

const FIXTURE = fileURLToPath(new URL('../fixtures/hostile-app.mjs', import.meta.url));

/** What the process tells of itself. */
export interface HostileState {
  /** TCP connections, whatever is spoken on them. */
  readonly connections: number;
  readonly stats: Stats;
  readonly hooks: Readonly<Record<'handshakes' | 'opens' | 'messages' | 'closes' | 'drains' | 'warnings', number>>;
  readonly memory: Readonly<Record<'rss' | 'heapUsed' | 'external' | 'arrayBuffers', number>>;
  /** Longest time that its event loop did not turn since it was asked last. */
  readonly delayMs: number;
}

/** Settings by environment name without `REALTIME_`; variables of the fixture begin with `APP_`. */
export type HostileSettings = Readonly<Record<string, string | number>>;

/** What the fixture answers to an order. */
interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

const MB = 1024 * 1024;

/** Bytes that are held: not what the allocator keeps for later. */
const inUse = ({ heapUsed, external }: HostileState['memory']) => heapUsed + external;

/** No pings among the frames that tests wait for, and no long waits for clients that never answer. */
const QUIET: HostileSettings = {
  HEARTBEAT_PING_INTERVAL: 0,
  HEARTBEAT_IDLE_TIME: 0,
  SHUTDOWN_INTERVAL: 0,
  CLOSE_TIMEOUT: 0.5,
};

export class HostileApp {
  /** All that it wrote, both streams. */
  output = '';
  port = 0;
  private readonly exited: Promise<void>;
  private readonly answers = new Map<number, (answer: Answer) => void>();
  private asked = 0;
  private before!: HostileState;
  private bystander!: RawSocket;
  private readonly clients: RawSocket[] = [];

  private constructor(private readonly child: ChildProcess) {
    this.exited = new Promise((resolve) => child.once('close', () => resolve()));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
  }

  /** Starts it, and a client that behaves. */
  static async start(settings: HostileSettings = {}): Promise<HostileApp> {
    const own = Object.entries(process.env).filter(([name]) => !/^(REALTIME_|NODE_OPTIONS)/.test(name));
    const given = Object.entries({ ...QUIET, ...settings }).map(([name, value]) => [
      name.startsWith('APP_') ? name : `REALTIME_${name}`,
      String(value),
    ]);
    const env = { ...Object.fromEntries([...own, ...given]), NO_COLOR: '1', NODE_ENV: 'production' };
    const child = fork(FIXTURE, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: ['--expose-gc'], env });
    const app = new HostileApp(child);
    const listening = new Promise<number>((resolve, reject) => {
      child.once('message', (message: { port: number }) => resolve(message.port));
      void app.exited.then(() => reject(app.died()));
    });
    app.port = await within(20_000, 'the application to listen', listening);
    child.on('message', (message: Answer) => app.answers.get(message.id)?.(message));
    app.bystander = await RawSocket.upgraded(app.port);
    await app.begin();
    return app;
  }

  /** Connects the TCP socket of a client, and sends nothing. */
  async connect(): Promise<RawSocket> {
    const client = await RawSocket.connect(this.port);
    this.clients.push(client);
    return client;
  }

  /** Asks for a handshake. @returns the answer */
  async knock(target = '/ws', parts: RequestParts = {}): Promise<HttpAnswer> {
    const client = await this.connect();
    client.send(upgradeRequest({ target, ...parts }));
    return client.answer();
  }

  /** Connects a client. @throws Error when it is refused */
  async open(target = '/ws', parts: RequestParts = {}, first?: Buffer): Promise<RawSocket> {
    const client = await RawSocket.upgraded(this.port, { target, ...parts }, first);
    this.clients.push(client);
    return client;
  }

  /** Cuts all clients but the one that behaves. */
  cutAll(): void {
    for (const client of this.clients.splice(0)) client.destroy();
  }

  /** Gives it an order (fixtures/hostile-app.mjs). @throws Error when it fails, or the process has died */
  async order<T>(order: string, details: object = {}): Promise<T> {
    const id = ++this.asked;
    const answered = new Promise<T>((resolve, reject) => {
      this.answers.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(error)),
      );
      void this.exited.then(() => reject(this.died()));
      this.child.send({ id, order, ...details }, (error) => error && void this.exited.then(() => reject(this.died())));
    });
    return within(30_000, `the answer to ${order}`, answered).finally(() => this.answers.delete(id));
  }

  state(): Promise<HostileState> {
    return this.order<HostileState>('state');
  }

  /** How often bounds were reached since `begin()`, those that were not left out. */
  async limits(): Promise<Partial<Record<LimitName, number>>> {
    const { limits } = (await this.state()).stats;
    const entries = Object.entries(limits) as [LimitName, number][];
    const since = entries.map(([name, count]) => [name, count - this.before.stats.limits[name]] as const);
    return Object.fromEntries(since.filter(([, count]) => count > 0));
  }

  /** Waits for a state. */
  until(what: string, isWanted: (state: HostileState) => boolean, timeoutMs?: number): Promise<HostileState> {
    return until(what, () => this.state(), isWanted, timeoutMs);
  }

  /** Before an attack. */
  async begin(): Promise<void> {
    this.before = await this.order<HostileState>('collect');
    this.output = '';
  }

  /** The client that behaves has its echo. @returns in how many milliseconds */
  async echo(): Promise<number> {
    const word = `still there ${Math.random()}`;
    const start = performance.now();
    this.bystander.send(frame({ payload: word }));
    const { payload } = await this.bystander.frame();
    if (payload.toString() !== word) throw new Error(`The echo is ${JSON.stringify(payload.toString().slice(0, 100))}`);
    return performance.now() - start;
  }

  /**
   * After an attack: the process is up and has nothing left of it, who behaves did not notice, and what was opened was
   * closed.
   *
   * @param heapMb how much more heap and buffers it may hold than before
   */
  async expectCalm(heapMb = 8): Promise<HostileState> {
    this.cutAll();
    const isCalm = ({ connections, stats, hooks }: HostileState) =>
      connections === 1 &&
      stats.current === 1 &&
      stats.unfinished === 0 &&
      stats.slow === 0 &&
      hooks.opens - hooks.closes === 1;
    const { stats, hooks } = await this.until('calm', isCalm, 6000);
    await this.echo();
    const ended = Object.values(stats.closed).reduce((sum, count) => sum + count);
    if (ended !== stats.accepted - 1) throw new Error(`accepted ${stats.accepted}, closed ${ended}`);
    if (hooks.warnings > 0 || /Unhandled|Uncaught|ERROR/.test(this.output)) throw new Error(this.output.slice(-4000));
    const isFree = ({ memory }: HostileState) => inUse(memory) - inUse(this.before.memory) < heapMb * MB;
    return until('memory to be free again', () => this.order<HostileState>('collect'), isFree, 6000);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.cutAll();
    this.bystander.destroy();
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private died(): Error {
    return new Error(`The application has died:\n${this.output.slice(-4000)}`);
  }
}
