/** Nodes in processes of their own (test/fixtures/cluster-app.mjs): they can be killed, stopped and go on. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RealtimeServer } from 'nestjs-realtime';
import { within } from '../process-guard.js';
import { environment, type Exit } from './child-app.js';

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}.mjs`, import.meta.url));

/** One call of RealtimeServer, or of what the call before it has returned: its name and its arguments. */
export type Call = readonly [name: string, ...args: unknown[]];

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly missing?: readonly string[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** A process that a test has started. */
export class Child {
  /** Its output on both streams. */
  output = '';
  readonly exited: Promise<Exit>;

  constructor(readonly process: ChildProcess) {
    this.exited = new Promise((resolve) => process.once('close', (code, signal) => resolve({ code, signal })));
    for (const stream of [process.stdout!, process.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
  }

  /** Runs a file of test/fixtures that ends by itself. @param env added to the environment @param args options of Node */
  static run(name: string, env: Readonly<Record<string, string>>, args: readonly string[] = []): Child {
    return new Child(
      spawn(process.execPath, [...args, fixture(name)], { stdio: ['ignore', 'pipe', 'pipe'], env: environment(env) }),
    );
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** The lines of its output that have a text. */
  lines(text: string): string[] {
    return this.output.split('\n').filter((line) => line.includes(text));
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Ends it at once, if it still runs. */
  async kill(): Promise<void> {
    if (this.isRunning) this.process.kill('SIGKILL');
    await this.exited;
  }

  died(): Error {
    const { exitCode, signalCode } = this.process;
    return new Error(`The process has ended by ${signalCode ?? exitCode}:\n${this.output.slice(-4000)}`);
  }
}

export class ClusterApp extends Child {
  port = 0;
  /** The id of its node. */
  node = '';
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private asked = 0;

  /** Starts a node and waits until it listens. @param env added to the environment @param name a file of test/fixtures */
  static async start(env: Readonly<Record<string, string>>, name = 'cluster-app'): Promise<ClusterApp> {
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    const app = new ClusterApp(fork(fixture(name), { stdio: [...stdio], execArgv: [], env: environment(env) }));
    const listening = new Promise<{ port: number; node: string }>((resolve, reject) => {
      app.process.once('message', resolve as never);
      void app.exited.then(() => reject(app.died()));
    });
    try {
      Object.assign(app, await within(60_000, 'the application to listen', listening));
    } catch (error) {
      await app.kill();
      throw error;
    }
    app.process.on('message', (answer: Answer) => app.waiting.get(answer.id)?.(answer));
    return app;
  }

  /**
   * Calls RealtimeServer in the process.
   *
   * @throws Error with the code of the error there
   * @example await app.call(['to', 'room'], ['push', 'hello']);
   */
  async call<R = unknown>(...calls: readonly (Call | readonly [keyof RealtimeServer, ...unknown[]])[]): Promise<R> {
    return this.ask('server', calls);
  }

  /** Has the process do something that its fixture knows by name. */
  async ask<R = unknown>(what: string, argument?: unknown): Promise<R> {
    const id = ++this.asked;
    if (!this.isRunning) throw this.died();
    const answered = new Promise<Answer>((resolve, reject) => {
      this.waiting.set(id, resolve);
      void this.exited.then(() => reject(this.died()));
      this.process.send({ id, what, argument }, (error) => error && void this.exited.then(() => reject(this.died())));
    });
    const { result, missing, error } = await within(30_000, `an answer to ${what}`, answered);
    this.waiting.delete(id);
    if (error) throw Object.assign(new Error(error.message), error);
    return (missing ? Object.assign(result as object, { missing }) : result) as R;
  }
}
