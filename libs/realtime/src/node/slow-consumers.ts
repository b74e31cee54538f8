import { detached } from '../async-context.js';
import type { Limits } from '../limits/limits.js';

/** A client that is behind. */
interface Behind {
  /** In milliseconds of `performance.now()`. */
  readonly behindSince: number;
  /** Called when it has been behind for too long. */
  tooSlow(why: string): void;
}

/** The longest interval between two checks, in milliseconds. */
const CHECK_MS = 1000;

/** The clients of this node that read more slowly than messages are sent to them. */
export class SlowConsumers {
  /**
   * Bytes that are held for all clients together: those that wait for slow ones, and those that SSE and polling keep
   * until they were taken. Bytes in the sockets of WebSockets are not counted.
   */
  bytes = 0;
  /** Each with true once it has been too slow, so that report-only mode counts it once. */
  private readonly behind = new Map<Behind, boolean>();
  private timer?: NodeJS.Timeout;

  /** @param maxSeconds how long a client may be behind; 0 for no limit */
  constructor(
    private readonly maxSeconds: number,
    private readonly limits: Limits,
    /** Logs what a client throws when it is closed; the others are checked all the same. */
    private readonly failed: (error: unknown) => void,
  ) {}

  get count(): number {
    return this.behind.size;
  }

  add(consumer: Behind): void {
    this.behind.set(consumer, false);
    if (this.maxSeconds === 0 || this.timer) return;
    this.timer = detached(() => setInterval(() => this.check(), Math.min(CHECK_MS, this.maxSeconds * 250)));
    this.timer.unref();
  }

  delete(consumer: Behind): void {
    if (this.behind.delete(consumer) && this.behind.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private check(): void {
    const now = performance.now();
    for (const [consumer, wasTooSlow] of this.behind) {
      if (wasTooSlow || now - consumer.behindSince < this.maxSeconds * 1000) continue;
      this.behind.set(consumer, true);
      this.late(consumer, now);
    }
  }

  private late(consumer: Behind, now: number): void {
    if (!this.limits.reached('slowTime', `behind=${((now - consumer.behindSince) / 1000).toFixed(1)}s`)) return;
    try {
      consumer.tooSlow(`behind for ${this.maxSeconds}s`);
    } catch (error) {
      this.failed(error);
    }
  }
}
