/** Simulated time and a simulated broker for the reconciler of subscriptions: outages, late answers, refusals. */
import type { Interest, Subscriber } from '../../../libs/realtime/src/cluster/interest.js';
import { seeded } from '../process-guard.js';
import { SETTLED } from './settled.js';

export type InterestClass = typeof Interest;
type Outcome = 'done' | 'refused';

const TIMES = { deadlineMs: 2000, lingerMs: 1000, retryMs: 100 };
/** Members come and go until then; afterwards everything must come to rest. */
const CHURN_MS = 12_000;
const END_MS = 90_000;
/** Refused whenever it is in a command. */
const POISON = 'poison';

class Time {
  now = 0;
  private events: { at: number; task: () => void }[] = [];

  after(ms: number, task: () => void): void {
    const at = this.now + ms;
    let index = this.events.length;
    while (index > 0 && this.events[index - 1]!.at > at) index--;
    this.events.splice(index, 0, { at, task });
  }

  /** Runs everything that is due until then, and lets promises settle in between. */
  async run(untilMs: number): Promise<void> {
    while (this.events.length > 0 && this.events[0]!.at <= untilMs) {
      const { at, task } = this.events.shift()!;
      this.now = at;
      task();
      for (let i = 0; i < 6; i++) await SETTLED;
    }
  }
}

/** One schedule. Every broken rule is in `faults`. */
export class InterestRun implements Subscriber {
  readonly faults = new Set<string>();
  commands = 0;
  waits = 0;
  private readonly time = new Time();
  private readonly random: () => number;
  private readonly interest: Interest;
  private readonly names: string[];
  private readonly held: string[] = [];
  private readonly idleSince = new Map<string, number>();
  /** What the broker keeps subscribed over reconnects. */
  private readonly kept = new Set<string>();
  /** What the engine has subscribed now. */
  private readonly live = new Set<string>();
  private inFlight?: (isLost: boolean) => void;
  private isUp = false;
  private isLate = false;
  private delayMs = 5;

  constructor(
    private readonly seed: number,
    of: InterestClass,
  ) {
    this.random = seeded(seed * 7919);
    const clock = {
      now: () => this.time.now,
      after: (ms: number, task: () => void) => this.time.after(ms, task),
      soon: (task: () => void) => this.time.after(0.01, task),
    };
    this.interest = new of(this, clock, TIMES);
    this.names = Array.from({ length: seed % 25 === 0 ? 700 : 6 }, (_, index) => `r:${index}`);
    if (seed % 3 === 0) this.names.push(POISON);
  }

  /** @returns the broken rules; none when everything held */
  async run(): Promise<string[]> {
    this.time.after(5, () => this.rise());
    this.time.after(10, () => this.churn());
    if (this.names.length > 100) this.time.after(3000, () => this.storm());
    this.time.after(500, () => this.harm());
    await this.time.run(END_MS);
    this.checkRest();
    return [...this.faults];
  }

  subscribe(channels: readonly string[]): Promise<void> {
    if (channels.some((channel) => this.kept.has(channel))) this.fault('subscribes what is subscribed');
    return this.command(channels, () => {
      this.isLate = false;
      for (const channel of channels) this.keep(channel);
    });
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      if (this.held.includes(channel)) this.fault('unsubscribes what has members');
      const idleMs = this.time.now - (this.idleSince.get(channel) ?? 0);
      if (idleMs < TIMES.lingerMs) this.fault('an exit does not linger');
    }
    return this.command(channels, () => {
      for (const channel of channels) {
        this.kept.delete(channel);
        this.live.delete(channel);
      }
    });
  }

  private fault(what: string): void {
    this.faults.add(`${what} (schedule ${this.seed})`);
  }

  private keep(channel: string): void {
    this.kept.add(channel);
    if (this.isUp) this.live.add(channel);
  }

  private command(channels: readonly string[], apply: () => void): Promise<void> {
    this.commands++;
    if (this.inFlight) this.fault('two commands at once');
    if (!this.isUp) this.fault('a command while the broker is down');
    if (channels.length > 512 || channels.length === 0) this.fault('a command of a wrong size');
    if (new Set(channels).size !== channels.length) this.fault('a channel twice in a command');
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => {
        this.inFlight = undefined;
        if (outcome === 'refused' && channels.length === 1) this.hasBeenRefused = true;
        if (outcome === 'refused') return reject(new Error('refused'));
        apply();
        resolve();
      };
      this.answer(channels, settle);
    });
  }

  /** Answers after a while; when the connection is lost before, at once or much later, and either way. */
  private answer(channels: readonly string[], settle: (outcome: Outcome) => void): void {
    const isRefused = channels.includes(POISON) || (this.seed % 2 === 0 && this.random() < 0.06);
    let isOver = false;
    const end = (outcome: Outcome) => {
      if (!isOver) settle(outcome);
      isOver = true;
    };
    this.inFlight = () => {
      const outcome = this.random() < 0.3 && !isRefused ? 'done' : 'refused';
      this.time.after(this.random() < 0.5 ? 0 : this.random() * 3000, () => end(outcome));
      this.inFlight = () => {};
      answerNow = () => {};
    };
    let answerNow = () => end(isRefused ? 'refused' : 'done');
    this.time.after(this.random() * this.delayMs, () => answerNow());
  }

  private rise(): void {
    this.isUp = true;
    for (const channel of this.kept) this.live.add(channel);
    this.interest.up();
  }

  private fall(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.isLate = false;
    this.live.clear();
    this.inFlight?.(true);
    this.interest.down();
    this.time.after(this.random() * 2000, () => this.rise());
  }

  private harm(): void {
    this.delayMs = 5;
    if (this.time.now > CHURN_MS) return;
    if (this.random() < 0.3) this.fall();
    else if (this.random() < 0.5) this.delayMs = 6000;
    this.time.after(this.random() * 4000, () => this.harm());
  }

  /** Everybody joins in one turn. */
  private storm(): void {
    for (const name of this.names) this.join(name);
  }

  private churn(): void {
    if (this.time.now > CHURN_MS) return;
    if (this.held.length > 0 && this.random() < 0.5) this.leave();
    else this.join(this.names[Math.floor(this.random() * this.names.length)]!);
    this.time.after(this.random() * (this.random() < 0.3 ? 3 : 300), () => this.churn());
  }

  private leave(): void {
    const [name] = this.held.splice(Math.floor(this.random() * this.held.length), 1);
    if (!this.held.includes(name!)) this.idleSince.set(name!, this.time.now);
    this.interest.release(name!);
  }

  private join(name: string): void {
    const begunAt = this.time.now;
    const wasKept = this.kept.has(name);
    this.held.push(name);
    const wait = this.interest.hold(name);
    if (!wait) return this.checkFastPath(name);
    this.waits++;
    if (wasKept && this.live.has(name) && !this.inFlight) this.fault('waits for a channel that is on');
    if (!this.isUp) this.fault('waits while the broker is down');
    if (this.isLate) this.fault('waits after a deadline has passed');
    void wait.then((end) => this.checkEnd(name, end, begunAt));
  }

  private checkFastPath(name: string): void {
    const mayBeOff = !this.isUp || this.isLate || name === POISON || this.interest.isDegraded;
    if (!mayBeOff && !this.live.has(name) && !this.hasBeenRefused) this.fault('does not wait for a subscription');
  }

  /** A channel that was refused on its own, by chance, is not waited for. */
  private hasBeenRefused = false;

  private checkEnd(name: string, end: string, begunAt: number): void {
    if (end === 'late') this.isLate = true;
    if (end === 'on' && this.isUp && !this.live.has(name)) this.fault('a false confirmation');
    if (this.time.now - begunAt > TIMES.deadlineMs + 1) this.fault('waits beyond the deadline');
  }

  private checkRest(): void {
    const wanted = new Set(this.held);
    for (const name of this.names) {
      if (name !== POISON && wanted.has(name) !== this.live.has(name)) {
        this.fault(wanted.has(name) ? 'is not subscribed in the end' : 'is still subscribed in the end');
      }
    }
    if (this.interest.size !== wanted.size) this.fault('remembers channels that nobody holds');
  }
}
