/** Bounds the lines of one kind in the log. Whoever can make the process write a line can otherwise fill the disk. */
import { TokenBucket } from './token-bucket.js';

export class LineRate {
  private readonly bucket: TokenBucket;
  private unsaid = 0;

  /**
   * @param perSecond lines per second
   * @param atOnce lines that may be written at once
   */
  constructor(perSecond: number, atOnce: number) {
    this.bucket = new TokenBucket(perSecond, atOnce);
  }

  /**
   * @returns the end of the line: empty, or ` unsaid=n` for the lines that were left out before it; undefined if this
   *   line is to be left out too
   */
  take(): string | undefined {
    if (!this.bucket.take()) {
      this.unsaid++;
      return undefined;
    }
    const more = this.unsaid > 0 ? ` unsaid=${this.unsaid}` : '';
    this.unsaid = 0;
    return more;
  }
}

/** Bounds the lines of several kinds, each by itself. */
export class LineRates {
  private readonly rates = new Map<string, LineRate>();

  /** @param perSecond lines of each kind per second */
  constructor(private readonly perSecond: number) {}

  /** @param write writes the line; called with its end, as `LineRate.take` returns it, unless the line is left out */
  bounded(kind: string, write: (more: string) => void): void {
    const rate = this.rates.get(kind) ?? new LineRate(this.perSecond, this.perSecond);
    this.rates.set(kind, rate);
    const more = rate.take();
    if (more !== undefined) write(more);
  }
}
