/**
 * The channels that have members on this node, and the broker's subscriptions to them: a reconciler. Each channel has
 * one state, one command is in flight at a time, and all changes of a turn are in one command. Road OUT, before step 7.
 */
import type { Channel } from '../command.js';
import type { Clock } from './clock.js';
import { first, toggle } from './sets.js';
import { Waits, type Confirmation } from './waits.js';

/**
 * The part of a broker that subscribes. Each call MUST settle. A channel whose `subscribe` has resolved stays
 * subscribed, over reconnects too, until its `unsubscribe` has resolved. A call that rejects has changed nothing.
 */
export interface Subscriber {
  subscribe(channels: readonly Channel[]): Promise<void>;
  unsubscribe(channels: readonly Channel[]): Promise<void>;
}

export interface InterestTimes {
  /** The longest wait of a member for a subscription, in milliseconds. */
  readonly deadlineMs: number;
  /** How long a channel without members stays subscribed, in milliseconds. */
  readonly lingerMs: number;
  /** The pause after a channel was refused on its own, in milliseconds. It doubles with each refusal. */
  readonly retryMs: number;
}

export const INTEREST_TIMES: InterestTimes = { deadlineMs: 2000, lingerMs: 1000, retryMs: 100 };

/** The most channels in one command. */
const BATCH = 512;
/** The longest pause is 25.6 s with the default of `retryMs`. */
const MAX_DOUBLINGS = 8;
type Verb = keyof Subscriber;

interface Entry {
  readonly channel: Channel;
  /** How many members hold it. */
  count: number;
  state: 'off' | 'asked' | 'on' | 'leaving';
  /** When its first member came. */
  heldAt: number;
  /** When its last member left, or its last exit failed. */
  idleAt: number;
  /** How often it was refused on its own since it was last on. */
  refusals: number;
  /** True during the pause after a refusal. */
  isPaused: boolean;
}

const NEW = { count: 0, state: 'off', heldAt: 0, idleAt: 0, refusals: 0, isPaused: false } as const;

interface Batch {
  readonly verb: Verb;
  readonly entries: readonly Entry[];
}

export class Interest {
  private readonly entries = new Map<Channel, Entry>();
  /** Entries with members that are off. */
  private readonly asks = new Set<Entry>();
  /** Entries without members that are on, in the order in which they became idle. */
  private readonly exits = new Set<Entry>();
  private readonly waits: Waits;
  /** What is left of refused batches. */
  private halves: Batch[] = [];
  private lastVerb: Verb = 'unsubscribe';
  private isUp = false;
  private isBusy = false;
  private isScheduled = false;

  constructor(
    private readonly broker: Subscriber,
    private readonly clock: Clock,
    private readonly times: InterestTimes = INTEREST_TIMES,
    /** Called when the first deadline has passed in vain, and when subscriptions are confirmed in time again. */
    lateness: (isLate: boolean) => void = () => {},
    private readonly confirmed: (channel: Channel) => void = () => {},
  ) {
    this.waits = new Waits(clock, times.deadlineMs, lateness);
  }

  /** How many channels are held, or not yet left. */
  get size(): number {
    return this.entries.size;
  }

  /** True while nobody waits for a subscription: the broker is down, or a deadline has passed in vain. */
  get isDegraded(): boolean {
    return !this.isUp || this.waits.isLate;
  }

  /** True for a channel that the broker is known to deliver. */
  isOn(channel: Channel): boolean {
    return this.isUp && this.entries.get(channel)?.state === 'on';
  }

  /**
   * Holds a channel for one more member.
   *
   * @returns undefined when there is nothing to wait for: the channel is on, or nobody waits now; otherwise a promise
   *   that resolves within the deadline and never rejects
   * @example const confirmation = await interest.hold('r:lobby');
   */
  hold(channel: Channel): Promise<Confirmation> | undefined {
    const entry = this.entries.get(channel) ?? this.enter(channel);
    if (entry.count++ === 0) entry.heldAt = this.clock.now();
    this.place(entry);
    if (entry.state === 'on' || entry.isPaused || this.isDegraded) return undefined;
    return this.waits.add(channel);
  }

  /**
   * Takes one hold back.
   *
   * @throws Error when nobody holds the channel
   */
  release(channel: Channel): void {
    const entry = this.entries.get(channel);
    if (!entry || entry.count === 0) throw new Error(`The channel ${channel} is released more often than it was held`);
    if (--entry.count > 0) return;
    this.linger(entry);
    this.place(entry);
  }

  /** The broker is connected, and what was on is subscribed again. */
  up(): void {
    this.isUp = true;
    this.schedule();
  }

  /** The broker is away: nobody waits for it. */
  down(): void {
    this.isUp = false;
    this.halves = [];
    this.waits.down();
  }

  private enter(channel: Channel): Entry {
    const entry: Entry = { channel, ...NEW };
    this.entries.set(channel, entry);
    return entry;
  }

  /** Puts an entry where its state and its members belong, and forgets it when it is off and nobody holds it. */
  private place(entry: Entry): void {
    const isHeld = entry.count > 0;
    toggle(this.asks, entry, isHeld && entry.state === 'off' && !entry.isPaused);
    toggle(this.exits, entry, !isHeld && entry.state === 'on');
    if (this.asks.has(entry)) this.schedule();
    if (isHeld || entry.state !== 'off') return;
    this.waits.end(entry.channel, 'refused');
    this.entries.delete(entry.channel);
  }

  private linger(entry: Entry): void {
    entry.idleAt = this.clock.now();
    this.clock.after(this.times.lingerMs, () => this.schedule());
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.clock.soon(() => {
      this.isScheduled = false;
      const batch = this.isUp && !this.isBusy ? (this.nextHalf() ?? this.nextBatch()) : undefined;
      if (batch) void this.send(batch);
    });
  }

  private nextHalf(): Batch | undefined {
    for (let half = this.halves.shift(); half; half = this.halves.shift()) {
      const { verb } = half;
      const entries = half.entries.filter((entry) => (verb === 'subscribe' ? this.asks.has(entry) : this.isDue(entry)));
      if (entries.length > 0) return { verb, entries };
    }
    return undefined;
  }

  /** Joins go first; where there are exits too, every second command is one of exits, so that neither starves. */
  private nextBatch(): Batch | undefined {
    const oldest = this.lastVerb === 'subscribe' || this.asks.size === 0 ? first(this.exits, BATCH) : [];
    const exits = oldest.filter((entry) => this.isDue(entry));
    if (exits.length > 0) return { verb: 'unsubscribe', entries: exits };
    const asks = first(this.asks, BATCH);
    return asks.length > 0 ? { verb: 'subscribe', entries: asks } : undefined;
  }

  /** True for an exit whose linger time is over. */
  private isDue(entry: Entry): boolean {
    return this.exits.has(entry) && entry.idleAt <= this.clock.now() - this.times.lingerMs;
  }

  private async send(batch: Batch): Promise<void> {
    const { verb, entries } = batch;
    this.isBusy = true;
    this.lastVerb = verb;
    for (const entry of entries) this.become(entry, verb === 'subscribe' ? 'asked' : 'leaving');
    const isDone = await this.broker[verb](entries.map(({ channel }) => channel)).then(
      () => true,
      () => false,
    );
    this.isBusy = false;
    if (isDone) this.done(batch);
    else this.refused(batch);
    this.schedule();
  }

  private become(entry: Entry, state: Entry['state']): void {
    entry.state = state;
    this.place(entry);
  }

  private done({ verb, entries }: Batch): void {
    for (const entry of entries) {
      if (verb === 'unsubscribe') this.become(entry, 'off');
      else this.confirm(entry);
    }
  }

  private confirm(entry: Entry): void {
    entry.refusals = 0;
    this.become(entry, 'on');
    this.confirmed(entry.channel);
    this.waits.confirmed(entry.channel, entry.heldAt);
  }

  /** What failed is as it was before. A batch is halved until the channel at fault is alone. */
  private refused({ verb, entries }: Batch): void {
    const isAlone = this.isUp && entries.length === 1;
    for (const entry of entries) {
      if (isAlone && verb === 'subscribe') this.pause(entry);
      else if (isAlone) this.linger(entry);
      this.become(entry, verb === 'subscribe' ? 'off' : 'on');
    }
    if (!this.isUp || isAlone) return;
    const middle = Math.ceil(entries.length / 2);
    this.halves.unshift({ verb, entries: entries.slice(0, middle) }, { verb, entries: entries.slice(middle) });
  }

  /** A channel that is refused on its own keeps nobody waiting, and says nothing about others. It is tried again. */
  private pause(entry: Entry): void {
    entry.isPaused = true;
    this.waits.end(entry.channel, 'refused');
    this.clock.after(this.times.retryMs * 2 ** Math.min(entry.refusals++, MAX_DOUBLINGS), () => {
      entry.isPaused = false;
      if (this.entries.get(entry.channel) === entry) this.place(entry);
    });
  }
}
