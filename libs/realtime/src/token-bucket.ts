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

  /** @returns false when there are not enough tokens; then none is taken */
  take(amount = 1): boolean {
    this.refill();
    if (this.tokens < amount) return false;
    this.tokens -= amount;
    return true;
  }

  private refill(): void {
    const now = performance.now();
    if (now === this.filledAt) return;
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = now;
  }
}
