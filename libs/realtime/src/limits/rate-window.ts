/** The window is looked at in steps of this many to the second. */
const STEPS = 10;

/**
 * Allows so many in any second, wherever that second begins: unlike a bucket, which after a burst gives as many again
 * while it refills. The price is that up to a tenth of a second more is counted.
 */
export class RateWindow {
  /** What was taken in the step that is under way and in those of the second before it. */
  private readonly taken = new Array<number>(STEPS + 1).fill(0);
  private step = 0;
  private sum = 0;

  constructor(private readonly perSecond: number) {}

  /**
   * @param now of `performance.now()`
   * @returns false when there were as many already; then it is not counted
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
