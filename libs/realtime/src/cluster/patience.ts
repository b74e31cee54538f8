import { detached } from '../async-context.js';

/** In how many steps the time passes. */
const STEPS = 5;

/**
 * A timeout that counts only while this process runs: when its event loop was blocked or the process was stopped, the
 * silence of others is nobody's fault, because what they sent has not been read yet.
 */
export class Patience {
  private timer?: NodeJS.Timeout;
  private leftMs = 0;
  private lookedAt = 0;

  /** @param expired called once for each `start` that is not stopped in time */
  constructor(
    private readonly timeMs: number,
    private readonly expired: () => void,
  ) {}

  get isRunning(): boolean {
    return this.timer !== undefined;
  }

  start(): void {
    this.stop();
    this.leftMs = this.timeMs;
    this.lookedAt = performance.now();
    this.timer = detached(() => setInterval(() => this.look(), this.timeMs / STEPS)).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private look(): void {
    const now = performance.now();
    this.leftMs -= Math.min(now - this.lookedAt, (1.5 * this.timeMs) / STEPS);
    this.lookedAt = now;
    if (this.leftMs > 1) return;
    this.stop();
    this.expired();
  }
}
