/** How many steps a second is divided into. */
const STEPS = 10;

/**
 * Allows a number of events in any second, wherever that second begins. A bucket would allow as many again while it
 * refills after a burst. The price is that events of up to a tenth of a second more are counted.
 */
export class RateWindow {
  /** Events in the current step and in those of the second before it. */
  private readonly taken = new Array<number>(STEPS + 1).fill(0);
  private step = 0;
  private sum = 0;

  constructor(private readonly perSecond: number) {}

  /**
   * @param now milliseconds of `performance.now()`
   * @returns false if the second is full; the event is then not counted
   */
  take(now = performance.now()): boolean {
    this.goTo(Math.floor((now * STEPS) / 1000));
    if (this.sum >= this.perSecond) return false;
    this.taken[this.step % this.taken.length]!++;
    this.sum++;
    return true;
  }

  private goTo(step: number): void {
    const { taken } = this;
    for (let next = Math.max(this.step + 1, step - STEPS); next <= step; next++) {
      this.sum -= taken[next % taken.length]!;
      taken[next % taken.length] = 0;
    }
    this.step = Math.max(this.step, step);
  }
}
