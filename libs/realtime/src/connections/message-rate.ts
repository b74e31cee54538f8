/** Road IN, step 4: how fast one client may send. */
import { CloseCode, EXCEPTION_EVENT, type ExceptionData } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import type { LimitName } from '../limits/limits.js';
import { TokenBucket } from '../limits/token-bucket.js';
import type { Node } from '../node/node.js';

/** A client is warned at most this often, in milliseconds. */
const WARN_EVERY_MS = 1000;

const TOO_FAST: ExceptionData = {
  status: 'error',
  code: 'rate_limit',
  message: 'Rate limit exceeded: messages were dropped',
};

/** The connection whose messages are counted. */
interface RatedConnection extends Pick<Connection, 'id' | 'emit'> {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

export class MessageRate {
  private messages?: TokenBucket;
  private bytes?: TokenBucket;
  private warnedAt = -Infinity;

  constructor(
    private readonly connection: RatedConnection,
    private readonly node: Pick<Node, 'settings' | 'limits'>,
  ) {}

  /**
   * Counts a message. Above the rate the client gets a warning or is closed, as `REALTIME_RATE_LIMIT` says.
   *
   * @param bytes the length of its payload
   * @param now when it was received, in milliseconds of `performance.now()`
   * @returns false when the message has to be dropped
   */
  allows(bytes: number, now = performance.now()): boolean {
    const bound = this.exceededBy(bytes, now);
    const { rateLimit } = this.node.settings;
    if (!bound || !this.node.limits.reached(bound, `id=${this.connection.id} policy=${rateLimit}`)) return true;
    if (rateLimit === 'close') this.connection.end(CloseCode.RATE_LIMIT, 'rate limit', 'limit');
    else this.warn();
    return false;
  }

  private exceededBy(bytes: number, now: number): LimitName | undefined {
    const { maxMessageRate, maxByteRate, maxMessageBytes } = this.node.settings;
    if (maxMessageRate > 0 && !(this.messages ??= new TokenBucket(maxMessageRate)).take(1, now)) return 'messageRate';
    // A burst holds at least one message of the greatest length that is allowed
    const burst = Math.max(maxByteRate, maxMessageBytes);
    if (maxByteRate > 0 && !(this.bytes ??= new TokenBucket(maxByteRate, burst)).take(bytes, now)) return 'byteRate';
    return undefined;
  }

  private warn(): void {
    const now = performance.now();
    if (now - this.warnedAt < WARN_EVERY_MS) return;
    this.warnedAt = now;
    this.connection.emit(EXCEPTION_EVENT, TOO_FAST);
  }
}
