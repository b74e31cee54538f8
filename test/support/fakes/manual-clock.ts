/** A clock of a cluster that the test moves. */
import type { Clock } from '../../../libs/realtime/src/cluster/clock.js';
import { SETTLED } from './settled.js';

export class ManualClock implements Clock {
  private at = 0;
  private readonly timers: { at: number; task: () => void }[] = [];

  /** How many tasks have not run yet. */
  get waiting(): number {
    return this.timers.length;
  }

  now(): number {
    return this.at;
  }

  after(ms: number, task: () => void): void {
    const at = this.at + ms;
    let index = this.timers.length;
    while (index > 0 && this.timers[index - 1]!.at > at) index--;
    this.timers.splice(index, 0, { at, task });
  }

  soon(task: () => void): void {
    this.after(0, task);
  }

  /**
   * Runs what is due within so many milliseconds, and lets promises settle in between.
   *
   * @throws Error when time stands still, because each task calls for another at once
   */
  async pass(ms: number): Promise<void> {
    const end = this.at + ms;
    for (let i = 0; i < 6; i++) await SETTLED;
    let turns = 0;
    while (this.timers.length > 0 && this.timers[0]!.at <= end) {
      const { at, task } = this.timers.shift()!;
      turns = at > this.at ? 0 : turns + 1;
      if (turns > 10_000) throw new Error(`Time stands still at ${this.at} ms`);
      this.at = Math.max(this.at, at);
      task();
      for (let i = 0; i < 6; i++) await SETTLED;
    }
    this.at = end;
  }
}
