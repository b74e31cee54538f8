/**
 * What this worker has published and what has not come back yet. Each promise settles within the deadline; the message
 * itself may still come back later.
 */
import { LinkError } from '../../cluster/link.js';
import { Deadlines } from '../../limits/deadlines.js';
import { publishHead } from './frames.js';

export interface Own {
  readonly counter: number;
  readonly channel: string;
  readonly bytes: Buffer;
  /** The body of PUBLISH but for the bytes. */
  readonly head: Buffer;
  readonly resolve: (receivers: number) => void;
  readonly reject: (error: LinkError) => void;
}

export class OwnPublished {
  /** By their counters, in their order. */
  private readonly waiting = new Map<number, Own>();
  private readonly deadlines: Deadlines<Own>;
  private bytes = 0;
  private counter = 0;

  /** @param late called when one has not come back in time */
  constructor(
    timeoutMs: number,
    private readonly maxBytes: number,
    late: () => void,
  ) {
    // After a stall of this process its copy may have arrived unread
    const expired = (own: Own) => {
      setImmediate(() => {
        if (!this.waiting.has(own.counter)) return;
        own.reject(new LinkError('unknown', `The workers did not take a message within ${timeoutMs / 1000} s`));
        late();
      });
    };
    this.deadlines = new Deadlines(timeoutMs, expired, () => {});
  }

  /**
   * @param send called with it, before this returns
   * @returns how many workers have it; rejects with LinkError
   */
  add(channel: string, bytes: Buffer, send: (own: Own) => void): Promise<number> {
    if (this.bytes + bytes.length > this.maxBytes)
      return Promise.reject(
        new LinkError('unavailable', `More than ${this.maxBytes} bytes wait for the other workers`),
      );
    return new Promise((resolve, reject) => {
      const counter = ++this.counter;
      const own = { counter, channel, bytes, head: publishHead(counter, channel), resolve, reject };
      this.waiting.set(counter, own);
      this.deadlines.add(own);
      this.bytes += bytes.length;
      send(own);
    });
  }

  /** @returns all that have not come back, in their order */
  all(): Own[] {
    return [...this.waiting.values()];
  }

  /** It has come back. @returns undefined when it has come back before, or all were given up */
  take(counter: number): Own | undefined {
    const own = this.waiting.get(counter);
    if (!own) return undefined;
    this.waiting.delete(counter);
    this.deadlines.delete(own);
    this.bytes -= own.bytes.length;
    return own;
  }

  /** Gives up all. */
  fail(error: LinkError): void {
    for (const { counter, reject } of this.all()) {
      this.take(counter);
      reject(error);
    }
  }
}
