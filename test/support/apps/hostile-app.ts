/** The application under attack (fixtures/hostile-app.mjs), and the checks after every attack. */
import { afterAll } from '@jest/globals';
import type { LimitName, Stats } from 'nestjs-realtime';
import { HostileProcess } from './hostile-process.js';
import { until } from '../process-guard.js';
import { frame, type HttpAnswer, RawSocket, type RequestParts, upgradeRequest } from '../clients/raw-socket.js';

/** What the process reports. */
export interface HostileState {
  /** TCP connections of any protocol. */
  readonly connections: number;
  readonly stats: Stats;
  readonly hooks: Readonly<Record<'handshakes' | 'opens' | 'messages' | 'closes' | 'drains' | 'warnings', number>>;
  readonly memory: Readonly<Record<'rss' | 'heapUsed' | 'external' | 'arrayBuffers', number>>;
  /** The longest stall of its event loop since the last report. */
  readonly delayMs: number;
}

/** Settings by environment name without `REALTIME_`; variables of the fixture begin with `APP_`. */
export type HostileSettings = Readonly<Record<string, string | number>>;

const MB = 1024 * 1024;

/** Bytes in use, without those that the allocator keeps for later. */
const inUse = ({ heapUsed, external }: HostileState['memory']) => heapUsed + external;

/** Sends no pings among the frames that tests wait for, and waits only briefly for clients that never answer. */
const QUIET: HostileSettings = {
  HEARTBEAT_PING_INTERVAL: 0,
  HEARTBEAT_IDLE_TIME: 0,
  SHUTDOWN_INTERVAL: 0,
  CLOSE_TIMEOUT: 0.5,
};

/** One process for the applications of a spec, one after another: an application starts in 30 ms, a process in 600. */
let shared: HostileProcess | undefined;

afterAll(() => shared?.kill());

export class HostileApp {
  port = 0;
  private before!: HostileState;
  /** The state before or after an attack, as long as nothing has happened since. */
  private calm?: HostileState;
  /** The memory after the last garbage collection. */
  private collected!: HostileState['memory'];
  private bystander!: RawSocket;
  private readonly clients: RawSocket[] = [];

  private constructor(
    private readonly process: HostileProcess,
    private readonly isAlone: boolean,
  ) {}

  /** Starts it, and connects a bystander: a client that behaves. */
  static async start(settings: HostileSettings = {}): Promise<HostileApp> {
    if (!shared?.isRunning) shared = new HostileProcess();
    return HostileApp.in(shared, false, settings);
  }

  /** Starts it in a process of its own, for tests that measure the memory of the process or send signals. */
  static async startAlone(settings: HostileSettings = {}): Promise<HostileApp> {
    return HostileApp.in(new HostileProcess(), true, settings);
  }

  private static async in(process: HostileProcess, isAlone: boolean, settings: HostileSettings): Promise<HostileApp> {
    const app = new HostileApp(process, isAlone);
    const given = Object.entries({ ...QUIET, ...settings }).map(([name, value]) => [
      name.startsWith('APP_') ? name : `REALTIME_${name}`,
      String(value),
    ]);
    app.port = await app.order<number>('start', { env: Object.fromEntries(given) });
    app.bystander = await RawSocket.upgraded(app.port);
    await app.begin();
    return app;
  }

  /** The output of the process on both streams since `begin()`. */
  get output(): string {
    return this.process.output;
  }

  set output(text: string) {
    this.process.output = text;
  }

  /** Connects the TCP socket of a client, and sends nothing. */
  async connect(): Promise<RawSocket> {
    this.calm = undefined;
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
    this.calm = undefined;
    const client = await RawSocket.upgraded(this.port, { target, ...parts }, first);
    this.clients.push(client);
    return client;
  }

  /** Cuts all clients but the bystander. */
  cutAll(): void {
    for (const client of this.clients.splice(0)) client.destroy();
  }

  /** Sends an order (fixtures/hostile-app.mjs). @throws Error when the order fails, or the process has died */
  order<T>(order: string, details: object = {}): Promise<T> {
    this.calm = undefined;
    return this.process.order<T>(order, details);
  }

  state(): Promise<HostileState> {
    return this.order<HostileState>('state');
  }

  /** How often bounds were reached since `begin()`, without those that were not reached. */
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

  /** Marks the state before an attack. */
  async begin(): Promise<void> {
    this.before = this.calm ?? (await this.collect());
    this.calm = this.before;
    this.output = '';
  }

  /** Checks that the bystander gets its echo. @returns after how many milliseconds */
  async echo(): Promise<number> {
    const word = `still there ${Math.random()}`;
    const start = performance.now();
    this.bystander.send(frame({ payload: word }));
    const { payload } = await this.bystander.frame();
    if (payload.toString() !== word) throw new Error(`The echo is ${JSON.stringify(payload.toString().slice(0, 100))}`);
    return performance.now() - start;
  }

  /** Waits for an error that the test provokes, and takes it out of the checks. */
  async expectError(text: string): Promise<void> {
    await until(
      `the line of "${text}"`,
      () => this.output,
      (output) => output.includes(text),
    );
    this.output = this.output.replaceAll('ERROR', 'expected');
  }

  /** How much a counter of `stats()` has grown since `begin()`. */
  async grown(
    counter: 'accepted' | 'refused' | 'dropped' | 'pauses' | 'hookErrors' | 'messageErrors',
  ): Promise<number> {
    return (await this.state()).stats[counter] - this.before.stats[counter];
  }

  /** How many connections were ended by a bound since `begin()`. */
  async endedByBounds(): Promise<number> {
    return (await this.state()).stats.closed.limit - this.before.stats.closed.limit;
  }

  /**
   * Checks after an attack that the process is up and holds nothing of it, that the bystander was not disturbed, and that
   * every connection that was opened is closed.
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
    this.calm = await this.free(heapMb * MB);
    return this.calm;
  }

  /** Waits until it holds little more than after the last collection; garbage is collected only when it holds more. */
  private async free(maxBytes: number): Promise<HostileState> {
    const known = inUse(this.collected);
    const isFree = ({ memory }: HostileState) => inUse(memory) - known < maxBytes;
    const state = await this.state();
    return isFree(state) ? state : until('memory to be free again', () => this.collect(), isFree, 6000);
  }

  private async collect(): Promise<HostileState> {
    const state = await this.order<HostileState>('collect');
    this.collected = state.memory;
    return state;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  /** Resolves when its process has ended. */
  get exited(): Promise<void> {
    return this.process.exited;
  }

  /** Stops it. @throws Error when its process has died, or it does not close */
  async stop(): Promise<void> {
    this.cutAll();
    this.bystander.destroy();
    if (this.isAlone) await this.process.kill();
    else if (!this.process.wasKilled) await this.order('stop');
  }
}
