/** The process of the applications under attack (fixtures/hostile-app.mjs): it runs one of them at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { within } from '../process-guard.js';

const FIXTURE = fileURLToPath(new URL('../../fixtures/hostile-app.mjs', import.meta.url));

/** What the fixture answers to an order. */
interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

export class HostileProcess {
  /** Its output on both streams. */
  output = '';
  readonly exited: Promise<void>;
  /** True after the test has killed it. */
  wasKilled = false;
  private readonly child: ChildProcess;
  private readonly answers = new Map<number, (answer: Answer) => void>();
  private asked = 0;

  constructor() {
    const own = Object.entries(process.env).filter(([name]) => !/^(REALTIME_|NODE_OPTIONS)/.test(name));
    const env = { ...Object.fromEntries(own), NO_COLOR: '1', NODE_ENV: 'production', APP_WAITS: '1' };
    this.child = fork(FIXTURE, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: ['--expose-gc'], env });
    this.exited = new Promise((resolve) => this.child.once('close', () => resolve()));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (chunk: Buffer) => (this.output += String(chunk)));
    }
    this.child.on('message', (message: Answer) => this.answers.get(message.id)?.(message));
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Sends an order. @throws Error when the order fails, or the process has died */
  async order<T>(order: string, details: object = {}): Promise<T> {
    const id = ++this.asked;
    const answered = new Promise<T>((resolve, reject) => {
      this.answers.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(error)),
      );
      const dead = () => void this.exited.then(() => reject(this.died()));
      dead();
      this.child.send({ id, order, ...details }, (error) => error && dead());
    });
    return within(30_000, `the answer to ${order}`, answered).finally(() => this.answers.delete(id));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    this.wasKilled = true;
    if (this.isRunning) this.child.kill('SIGKILL');
    await this.exited;
  }

  private died(): Error {
    return new Error(`The application has died:\n${this.output.slice(-4000)}`);
  }
}
