/**
 * Road IN, between steps 1 and 4: counts what a client library has sent over all its wires, and acknowledges it. The
 * messages by which the client keeps the session's count are not counted.
 */
import { detached } from '../../async-context.js';
import { TokenBucket } from '../../limits/token-bucket.js';
import { Message } from '../../message.js';
import type { ClientMessage } from '../../transport.js';
import { controlOf } from './control.js';

/** At the latest after so many messages, bytes or milliseconds the client learns how many have arrived. */
const EVERY_MESSAGES = 32;
const EVERY_BYTES = 65_536;
const EVERY_MS = 1000;

/** The session that receives. */
export interface Receiving {
  alive(): void;
  /** A counted message. */
  message(message: Message): void;
  /** The client has the messages up to this number. */
  acknowledged(n: number): void;
  /** The client looks whether the server is there. */
  pinged(): void;
  /** The client sends more control messages than it may. */
  flooded(): void;
  /** Tells the client how many messages have arrived. It may be lost. */
  acknowledge(n: number): void;
}

export class ReceivedMessages {
  /** How many have arrived. */
  count = 0;
  private told = 0;
  private bytes = 0;
  private timer?: NodeJS.Timeout;
  private readonly controls: TokenBucket;

  /** @param maxControlRate control messages per second; 0 for no limit */
  constructor(
    private readonly session: Receiving,
    maxControlRate: number,
  ) {
    this.controls = new TokenBucket(maxControlRate || Infinity);
  }

  received(message: Message): void {
    if (!this.isControl(message)) this.counted(message);
  }

  /** @returns false, and takes none, when messages before the first one are missing */
  take(first: number, messages: readonly ClientMessage[]): boolean {
    if (first > this.count + 1) return false;
    this.session.alive();
    let n = first;
    for (const { data, isBinary } of messages) {
      const message = new Message(data, isBinary);
      if (!this.isControl(message) && n++ > this.count) this.counted(message);
    }
    return true;
  }

  /** The client knows the number from elsewhere: a new wire begins with it. */
  wasTold(): void {
    this.stop();
    this.told = this.count;
    this.bytes = 0;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private counted(message: Message): void {
    this.count++;
    this.bytes += message.size;
    if (this.count - this.told >= EVERY_MESSAGES || this.bytes >= EVERY_BYTES) this.acknowledge();
    else this.timer ??= detached(() => setTimeout(() => this.acknowledge(), EVERY_MS).unref());
    this.session.message(message);
  }

  private acknowledge(): void {
    this.wasTold();
    this.session.acknowledge(this.count);
  }

  /** @returns true when it was a control message, which has been obeyed */
  private isControl(message: Message): boolean {
    const control = controlOf(message);
    if (!control) return false;
    if (!this.controls.take()) this.session.flooded();
    else if (control.kind === 'ack') this.session.acknowledged(control.n);
    else this.session.pinged();
    return true;
  }
}
