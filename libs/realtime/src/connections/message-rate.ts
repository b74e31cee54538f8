/** Road IN, step 4: how fast one client may send. */
import { CloseCode, encodeEnvelope, EXCEPTION_EVENT, type ExceptionData } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import type { LimitName } from '../limits/limits.js';
import { TokenBucket } from '../limits/token-bucket.js';
import type { Message } from '../message.js';
import type { Node } from '../node/node.js';

/** A client learns of dropped messages without an id at most this often, in milliseconds. */
const WARN_EVERY_MS = 1000;

const TOO_FAST: ExceptionData = {
  status: 'error',
  code: 'rate_limit',
  message: 'Rate limit exceeded: messages were dropped',
};

/** The connection whose messages are counted. */
interface RatedConnection extends Pick<Connection, 'id' | 'send' | 'emit'> {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

export class MessageRate {
  private messages?: TokenBucket;
  private bytes?: TokenBucket;
  /** How fast the ids of dropped messages are read: each costs about as much as a message that is handled. */
  private ids?: TokenBucket;
  /** Messages that were dropped since the client was last told. */
  private untold = 0;
  private warning?: NodeJS.Timeout;

  constructor(
    private readonly connection: RatedConnection,
    private readonly node: Pick<Node, 'settings' | 'limits'>,
    /** Returns the id by which the client expects an answer to a message. */
    private readonly requestId: (message: Message) => string | number | undefined,
  ) {}

  /**
   * Counts a message. Above the rate the client is told that it was dropped or is closed, as `REALTIME_RATE_LIMIT` says:
   * a message with an id is answered with that id, the others are counted, and their number is sent once a second.
   *
   * @param now when it was received, in milliseconds of `performance.now()`
   * @returns false when the message has to be dropped
   */
  allows(message: Message, now = performance.now()): boolean {
    const bound = this.exceededBy(message.size, now);
    const { rateLimit } = this.node.settings;
    if (!bound || !this.node.limits.reached(bound, `id=${this.connection.id} policy=${rateLimit}`)) return true;
    if (rateLimit === 'close') this.connection.end(CloseCode.RATE_LIMIT, 'rate limit', 'limit');
    else this.dropped(message, now);
    return false;
  }

  private exceededBy(bytes: number, now: number): LimitName | undefined {
    const { maxMessageRate, maxByteRate } = this.node.settings;
    if (maxMessageRate > 0 && !(this.messages ??= new TokenBucket(maxMessageRate)).take(1, now)) return 'messageRate';
    if (maxByteRate > 0 && !(this.bytes ??= this.byteBucket()).take(bytes, now)) return 'byteRate';
    return undefined;
  }

  /** A burst holds at least one message of the greatest length that is allowed. */
  private byteBucket(): TokenBucket {
    const { maxByteRate, maxMessageBytes } = this.node.settings;
    return new TokenBucket(maxByteRate || Infinity, Math.max(maxByteRate || Infinity, maxMessageBytes));
  }

  private dropped(message: Message, now: number): void {
    this.untold++;
    const isRead = (this.ids ??= this.byteBucket()).take(message.size, now);
    const id = isRead ? this.requestId(message) : undefined;
    if (id !== undefined) this.connection.send(encodeEnvelope(EXCEPTION_EVENT, this.told(), id));
    else if (!this.warning) this.warn();
  }

  /** Later drops are told at the end of the interval, whether or not the client sends anything more. */
  private warn(): void {
    this.connection.emit(EXCEPTION_EVENT, this.told());
    this.warning = setTimeout(() => {
      this.warning = undefined;
      if (this.untold > 0) this.warn();
    }, WARN_EVERY_MS).unref();
  }

  private told(): ExceptionData {
    const dropped = this.untold;
    this.untold = 0;
    return { ...TOO_FAST, dropped };
  }
}
