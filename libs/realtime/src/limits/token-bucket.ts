/** A rate with a burst; starts full. */
export class TokenBucket {
  private tokens: number;
  private filledAt = performance.now();

  /**
   * @param perSecond tokens that flow in per second
   * @param burst tokens that it holds at most; default one second's worth
   */
  constructor(
    private readonly perSecond: number,
    private readonly burst = perSecond,
  ) {
    this.tokens = burst;
  }

  /**
   * @param now of `performance.now()`, where it is known already: asking costs more than the rest
   * @returns false when there are not enough tokens; then none is taken
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
