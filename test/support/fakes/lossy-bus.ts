/** Processes that can stand still, and a broker between them that loses, repeats and delays what they publish. */
import type { Clock } from '../../../libs/realtime/src/cluster/clock.js';
import type { ManualClock } from './manual-clock.js';

type Task = () => void;

/** Where it stands still, its timers and what it receives wait; then the timers are first, as in Node. */
export class Process implements Clock {
  /** How many of its timers have not run. */
  pending = 0;
  isStalled = false;
  isDead = false;
  resumedAt = 0;
  private readonly timers: Task[] = [];
  private readonly inputs: Task[] = [];
  /** What has waited, and has not run since. */
  private readonly backlog: Task[] = [];

  constructor(private readonly time: ManualClock) {}

  now(): number {
    return this.time.now();
  }

  after(ms: number, task: Task): void {
    this.pending++;
    const run = () => {
      this.pending--;
      task();
    };
    this.time.after(ms, () => this.run(this.timers, run));
  }

  soon(task: Task): void {
    this.after(0, task);
  }

  receive(task: Task): void {
    this.run(this.inputs, task);
  }

  stall(): void {
    this.isStalled = true;
  }

  resume(): void {
    this.isStalled = false;
    this.resumedAt = this.now();
    this.backlog.push(...this.timers.splice(0), ...this.inputs.splice(0));
    this.time.after(0, () => this.catchUp());
  }

  /** What comes meanwhile stands behind what has waited. */
  private catchUp(): void {
    const task = this.isStalled || this.isDead ? undefined : this.backlog.shift();
    task?.();
    if (task && this.backlog.length > 0) this.time.after(0, () => this.catchUp());
  }

  private run(queue: Task[], task: Task): void {
    if (this.isDead) return;
    if (this.isStalled) queue.push(task);
    else if (this.backlog.length > 0) this.backlog.push(task);
    else task();
  }
}

/** The connection of a process to the broker. */
export class Link<T> {
  readonly channels = new Set<string>();
  isUp = true;
  /** Counts the cuts: what was under way at a cut is lost. */
  cuts = 0;

  constructor(
    readonly name: string,
    readonly process: Process,
    /** @param at when the message reached the process, which may have stood still since */
    readonly deliver: (channel: string, from: string, message: T, at: number) => void,
  ) {}

  cut(): void {
    this.isUp = false;
    this.cuts++;
  }
}

/** All links hear the messages of one channel in one order; those of two channels overtake each other. */
export class LossyBus<T> {
  readonly links: Link<T>[] = [];
  lossRate = 0;
  repeatRate = 0;
  maxDelayMs = 60;
  /** True for two processes that do not hear each other. */
  isSplit: (from: string, to: string) => boolean = () => false;
  private readonly lastAt = new Map<string, number>();

  constructor(
    private readonly time: ManualClock,
    private readonly random: () => number,
  ) {}

  publish(from: Link<T>, channel: string, message: T): void {
    const { cuts } = from;
    if (!from.isUp || this.isLost()) return;
    this.inOrder(`${from.name}>${channel}`, () => {
      if (from.cuts === cuts) this.take(channel, from.name, message);
    });
  }

  private take(channel: string, from: string, message: T): void {
    for (const link of this.links) {
      if (!link.isUp || !link.channels.has(channel) || this.isLost() || this.isSplit(from, link.name)) continue;
      const { cuts } = link;
      const receive = () => {
        const at = this.time.now();
        link.process.receive(() => link.deliver(channel, from, message, at));
      };
      const arrive = () => (link.cuts === cuts ? receive() : undefined);
      this.inOrder(`${channel}>${link.name}`, arrive);
      if (this.random() < this.repeatRate) this.inOrder(`${channel}>${link.name}`, arrive);
    }
  }

  private isLost(): boolean {
    return this.random() < this.lossRate;
  }

  /** Runs a task after a while, and never before an earlier one of the same lane. */
  private inOrder(lane: string, task: Task): void {
    const now = this.time.now();
    const at = Math.max(this.lastAt.get(lane) ?? 0, now + Math.floor(this.random() * this.maxDelayMs));
    this.lastAt.set(lane, at);
    this.time.after(at - now, task);
  }
}
