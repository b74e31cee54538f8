/** An application in a process of its own (test/fixtures/realtime-app.mjs): it can be ended by a signal, or by a bug. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Stats } from 'nestjs-realtime';
import { until, within } from '../process-guard.js';

const FIXTURE = fileURLToPath(new URL('../../fixtures/realtime-app.mjs', import.meta.url));

/** How the process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What the process reports. */
export interface ChildState {
  /** TCP connections of any protocol. */
  readonly connections: number;
  readonly stats: Stats;
}

export class ChildApp {
  /** Its output on both streams. */
  output = '';
  port = 0;
  readonly exited: Promise<Exit>;
  private asked = 0;

  private constructor(private readonly child: ChildProcess) {
    this.exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
  }

  /** Starts it and waits until it listens. @param env added to the environment */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<ChildApp> {
    const child = fork(FIXTURE, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [], env: environment(env) });
    const app = new ChildApp(child);
    const listening = new Promise<number>((resolve, reject) => {
      child.once('message', (message: { port: number }) => resolve(message.port));
      void app.exited.then(() => reject(app.died()));
    });
    try {
      app.port = await within(60_000, 'the application to listen', listening);
    } catch (error) {
      await app.kill();
      throw error;
    }
    return app;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Asks for its state. @throws Error with its output when the process has died */
  async state(): Promise<ChildState> {
    const id = ++this.asked;
    if (!this.isRunning) throw this.died();
    const answered = new Promise<ChildState>((resolve, reject) => {
      const listener = (message: ChildState & { id: number }) => {
        if (message.id !== id) return;
        this.child.off('message', listener);
        resolve(message);
      };
      this.child.on('message', listener);
      void this.exited.then(() => reject(this.died()));
      this.child.send({ id }, (error) => error && void this.exited.then(() => reject(this.died())));
    });
    return within(10_000, 'the state of the application', answered);
  }

  /** Waits until it holds exactly so many TCP connections. */
  async untilConnections(wanted: number, timeoutMs?: number): Promise<void> {
    const ask = async () => (await this.state()).connections;
    await until(`${wanted} TCP connections`, ask, (count) => count === wanted, timeoutMs);
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it at once, if it still runs. */
  async kill(): Promise<void> {
    if (this.isRunning) this.child.kill('SIGKILL');
    await this.exited;
  }

  private died(): Error {
    return new Error(`The application has died:\n${this.output.slice(-4000)}`);
  }
}

/** The environment of the test without our settings and without jest's options for Node. */
export function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('REALTIME_') && name !== 'NODE_OPTIONS');
  return { ...Object.fromEntries(own), NO_COLOR: '1', ...extra };
}
