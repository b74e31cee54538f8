/** A rate limit that allows a burst; the bucket starts full. */
export class TokenBucket {
  private tokens: number;
  private filledAt = performance.now();

  /**
   * @param perSecond tokens that flow in per second
   * @param burst the most tokens that it holds; default: those of one second
   */
  constructor(
    private readonly perSecond: number,
    private readonly burst = perSecond,
  ) {
    this.tokens = burst;
  }

  /**
   * @param now milliseconds of `performance.now()`, if the caller has them: reading the clock costs more than the rest
   * @returns false if there are not enough tokens; then none is taken
   */
  take(amount = 1, now = performance.now()): boolean {
    this.refill(now);
    if (this.tokens < amount) return false;
    this.tokens -= amount;
    return true;
  }

  private refill(now: number): void {
    if (now <= this.filledAt) return;
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = now;
  }
}
