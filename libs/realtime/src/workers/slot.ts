/** The place of one worker, which has a new process after each death and each roll. */
import type { WorkerProcess } from './processes.js';

export class Worker {
  /** When it was ready, in milliseconds of `performance.now()`. */
  readyAt?: number;
  /** Resolves when its process has ended. */
  readonly ended: Promise<void>;
  private end!: () => void;
  private readonly ready: Promise<void>;
  private markReady!: () => void;

  constructor(private readonly processOf: () => WorkerProcess) {
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.ready = new Promise((resolve) => (this.markReady = resolve));
  }

  get process(): WorkerProcess {
    return this.processOf();
  }

  get readyForMs(): number {
    return this.readyAt === undefined ? 0 : performance.now() - this.readyAt;
  }

  becomeReady(): void {
    this.readyAt ??= performance.now();
    this.markReady();
  }

  finish(): void {
    this.end();
  }

  /** @returns undefined once it is ready; else what is wrong */
  async up(timeoutMs: number): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, `did not listen within ${timeoutMs / 1000} s`);
    });
    const ended = this.ended.then(() => 'has ended before it listened');
    const problem = await Promise.race([this.ready.then(() => undefined), ended, late]);
    clearTimeout(timer);
    return problem;
  }
}

export class Slot {
  current?: Worker;
  /** Deaths before ready, and deaths of ready workers, one after the other. */
  private failures = 0;
  private deaths = 0;
  private timer?: NodeJS.Timeout;

  /** @param number from 1 */
  constructor(readonly number: number) {}

  worker(processOf: () => WorkerProcess): Worker {
    return new Worker(processOf);
  }

  /** @returns the one before, if it has not ended */
  replace(next: Worker): Worker | undefined {
    this.stop();
    const old = this.current;
    this.current = next;
    this.failures = 0;
    this.deaths = 0;
    return old;
  }

  /** Its worker has died. @returns how often that has happened in a row */
  count(isFailure: boolean, wasStable: boolean): number {
    if (isFailure) return ++this.failures;
    this.failures = 0;
    this.deaths = wasStable ? 1 : this.deaths + 1;
    return this.deaths;
  }

  later(ms: number, task: () => void): void {
    this.timer = setTimeout(task, ms);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
