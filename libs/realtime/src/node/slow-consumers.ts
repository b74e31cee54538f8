import { detached } from '../async-context.js';
import type { Limits } from '../limits/limits.js';

/** What is known of a client that is behind. */
interface Behind {
  readonly behindSince: number;
  tooSlow(why: string): void;
}

const CHECK_MS = 1000;

/** The clients of this node that do not read as fast as they are sent to. */
export class SlowConsumers {
  /** Bytes that wait for all of them, apart from what is in their sockets. */
  bytes = 0;
  /** Each with whether it was too slow already: only reported, it is counted once. */
  private readonly behind = new Map<Behind, boolean>();
  private timer?: NodeJS.Timeout;

  /** @param maxSeconds how long a client may be behind; 0 is for ever */
  constructor(
    private readonly maxSeconds: number,
    private readonly limits: Limits,
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
      if (this.limits.reached('slowTime', `behind=${((now - consumer.behindSince) / 1000).toFixed(1)}s`)) {
        consumer.tooSlow(`behind for ${this.maxSeconds}s`);
      }
    }
  }
}
