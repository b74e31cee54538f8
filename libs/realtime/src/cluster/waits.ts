/** Who waits for which subscription, with one deadline for all: where one has passed in vain, nobody waits. */
import type { Channel } from '../command.js';
import type { Clock } from './clock.js';

/** How a wait for a subscription ends. Only after `on` is it certain that the broker delivers. */
export type Confirmation = 'on' | 'down' | 'late' | 'refused';

interface Wait {
  readonly dueAt: number;
  readonly resolves: ((end: Confirmation) => void)[];
}

export class Waits {
  /** The oldest first. Further members that wait for a channel share the deadline of the first. */
  private readonly waits = new Map<Channel, Wait>();
  private hasExpired = false;
  private isWatching = false;

  constructor(
    private readonly clock: Clock,
    private readonly deadlineMs: number,
    private readonly lateness: (isLate: boolean) => void,
  ) {}

  /** True from a deadline that has passed in vain until a subscription is confirmed within the deadline. */
  get isLate(): boolean {
    return this.hasExpired;
  }

  /** @returns resolves within the deadline, never rejects */
  add(channel: Channel): Promise<Confirmation> {
    return new Promise((resolve) => {
      const wait = this.waits.get(channel);
      if (wait) wait.resolves.push(resolve);
      else this.waits.set(channel, { dueAt: this.clock.now() + this.deadlineMs, resolves: [resolve] });
      if (!this.isWatching) this.watch(this.deadlineMs);
    });
  }

  /** Ends the waits for a channel that is on. @param heldAt since when it has had members, in milliseconds of the clock */
  confirmed(channel: Channel, heldAt: number): void {
    if (this.clock.now() - heldAt < this.deadlineMs) this.setLate(false);
    this.end(channel, 'on');
  }

  /** The broker is away: ends all waits. */
  down(): void {
    this.setLate(false);
    for (const channel of this.waits.keys()) this.end(channel, 'down');
  }

  /** Ends the waits for a channel. */
  end(channel: Channel, end: Confirmation): void {
    const wait = this.waits.get(channel);
    this.waits.delete(channel);
    for (const resolve of wait?.resolves ?? []) resolve(end);
  }

  private watch(afterMs: number): void {
    this.isWatching = true;
    this.clock.after(afterMs, () => {
      this.isWatching = false;
      const [oldest] = this.waits.values();
      if (!oldest) return;
      const leftMs = oldest.dueAt - this.clock.now();
      if (leftMs > 0) this.watch(leftMs);
      else this.expire();
    });
  }

  /** The other waits began later, but wait for the same broker: they end too. */
  private expire(): void {
    this.setLate(true);
    for (const channel of this.waits.keys()) this.end(channel, 'late');
  }

  private setLate(isLate: boolean): void {
    if (isLate === this.hasExpired) return;
    this.hasExpired = isLate;
    this.lateness(isLate);
  }
}
