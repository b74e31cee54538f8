/**
 * The primary: it starts workers, replaces those that end, rolls them on SIGUSR2 and ends them on SIGTERM and SIGINT. It
 * runs nothing of the application, and carries no message.
 */
import type { End, StartWorker, WorkerProcess } from './processes.js';
import { Slot, type Worker } from './slot.js';

export interface PrimaryOptions {
  /** How many workers there are. */
  readonly count: number;
  /** How long a worker of a roll may take to be ready, in milliseconds. */
  readonly startTimeoutMs: number;
}

/** What the primary uses of its own process, so that tests can replace it. */
export interface Host {
  on(signal: NodeJS.Signals, listener: () => void): void;
  say(line: string): void;
  /** Ends the process by a code, or by a signal. */
  end(how: number | NodeJS.Signals): void;
}

/** Deaths before ready of one worker, one after the other, that end the primary. */
const MAX_FAILURES = 3;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** After a signal the primary may be about to get one too: systemd signals the whole group. */
const SIGNAL_PAUSE_MS = 500;
/** A worker that was ready for so long has not died early. */
const STABLE_MS = 30_000;

const ENDING = ['SIGTERM', 'SIGINT'] as const;

export class Primary {
  private readonly slots: Slot[];
  /** All that have not ended. */
  private readonly living = new Set<Worker>();
  /** How this process ends, once it does. */
  private ending?: number | NodeJS.Signals;
  private isRolling = false;
  private isRollWanted = false;

  constructor(
    private readonly options: PrimaryOptions,
    private readonly startWorker: StartWorker,
    private readonly host: Host = ownProcess,
  ) {
    this.slots = Array.from({ length: options.count }, (_, index) => new Slot(index + 1));
  }

  start(): void {
    for (const signal of ENDING) this.host.on(signal, () => this.end(signal));
    this.host.on('SIGUSR2', () => void this.roll());
    this.host.say(`starts ${this.options.count} workers pid=${process.pid}`);
    for (const slot of this.slots) slot.current = this.launch(slot);
  }

  /** Replaces the workers one after the other. While it does, one more roll may be asked for. */
  async roll(): Promise<void> {
    this.isRollWanted = true;
    if (this.isRolling || this.ending !== undefined) return;
    this.isRolling = true;
    while (this.isRollWanted && this.ending === undefined) {
      this.isRollWanted = false;
      this.host.say('reloads the workers, one after the other');
      const isDone = await this.rollAll();
      if (isDone) this.host.say('has reloaded the workers');
    }
    this.isRolling = false;
  }

  private async rollAll(): Promise<boolean> {
    for (const slot of this.slots) {
      const next = this.launch(slot);
      const problem = await next.up(this.options.startTimeoutMs);
      if (this.ending !== undefined) return false;
      if (problem !== undefined) {
        this.host.say(`stops the reload: the new ${this.nameOf(slot)} ${problem}. The others stay as they are`);
        next.process.kill('SIGKILL');
        return false;
      }
      const old = slot.replace(next);
      if (!old) continue;
      old.process.retire();
      await old.ended;
    }
    return true;
  }

  private launch(slot: Slot): Worker {
    const started: { process?: WorkerProcess } = {};
    const worker = slot.worker(() => started.process!);
    this.living.add(worker);
    started.process = this.startWorker(slot.number, this.options.count, {
      ready: () => worker.becomeReady(),
      ended: (end) => this.ended(slot, worker, end),
    });
    return worker;
  }

  private ended(slot: Slot, worker: Worker, end: End): void {
    this.living.delete(worker);
    worker.finish();
    if (this.ending !== undefined) return this.finishIfAlone();
    // One of a roll that failed, or that was replaced
    if (slot.current !== worker) return;
    slot.current = undefined;
    const how = end.signal ? `by ${end.signal}` : `with the code ${end.code}`;
    const isFailure = worker.readyAt === undefined;
    const count = slot.count(isFailure, worker.readyForMs > STABLE_MS);
    if (isFailure && count >= MAX_FAILURES) {
      this.host.say(
        `ends: the ${this.nameOf(slot)} has ended ${how} before it listened, ${count} times in a row. What it wrote is above`,
      );
      return this.end(1);
    }
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (count - 1));
    this.respawn(slot, how, end.signal ? Math.max(pauseMs, SIGNAL_PAUSE_MS) : pauseMs, isFailure);
  }

  private respawn(slot: Slot, how: string, pauseMs: number, isFailure: boolean): void {
    const when = isFailure ? ' before it listened' : '';
    this.host.say(`replaces the ${this.nameOf(slot)} in ${pauseMs} ms: it has ended ${how}${when}`);
    slot.later(pauseMs, () => {
      if (this.ending === undefined && !slot.current) slot.current = this.launch(slot);
    });
  }

  /** @param how 1 when the application cannot boot */
  private end(how: number | NodeJS.Signals): void {
    if (this.ending !== undefined) return;
    this.ending = how;
    for (const slot of this.slots) slot.stop();
    for (const { process } of this.living) process.kill('SIGTERM');
    this.finishIfAlone();
  }

  private finishIfAlone(): void {
    if (this.living.size === 0) this.host.end(this.ending!);
  }

  private nameOf({ number }: Slot): string {
    return `worker ${number}/${this.options.count}`;
  }
}

const ownProcess: Host = {
  on: (signal, listener) => void process.on(signal, listener),
  say: (line) => console.log(`[Realtime primary] ${line}`),
  end(how) {
    if (typeof how === 'number') process.exit(how);
    process.removeAllListeners(how);
    process.kill(process.pid, how);
  },
};
