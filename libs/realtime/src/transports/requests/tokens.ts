/** The connections that live between requests, by their tokens, and whom each of them belongs to. */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HttpExchange } from '../../http/exchange.js';
import { splitTarget, targetOf } from '../../http/platform-request.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Fingerprint } from './fingerprint.js';
import type { RequestSocket } from './request-socket.js';
import type { RequestTransport } from './request-transport.js';

/** A connection of ours. */
export interface HeldConnection {
  readonly socket: RequestSocket;
  /** The connection's public id. */
  readonly id: string;
  /** Whom its handshake belonged to. */
  readonly owner: Fingerprint;
  /** Where its handshake was: another path has other guards. */
  readonly path: string;
  readonly transport: RequestTransport;
}

/** How long a connection that has ended is remembered at least, in milliseconds, and how many at most. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 10_000;

export class Tokens {
  private readonly present = new Map<string, HeldConnection>();
  /** Ended, the oldest first: its client may not have been told, or has to be told again to stay away. */
  private readonly ended = new Map<string, HeldConnection & { readonly at: number; readonly bytes: number }>();
  private endedBytes = 0;
  private timer?: NodeJS.Timeout;

  constructor(private readonly settings: Pick<RealtimeSettings, 'graceTime' | 'maxBufferedBytesTotal'>) {}

  add(held: HeldConnection): void {
    this.present.set(held.socket.token, held);
  }

  /** The connection that a request of this path may go on with; it may have ended. */
  find(token: string, exchange: HttpExchange): HeldConnection | undefined {
    const found = this.present.get(token) ?? this.ended.get(token);
    return found?.path === pathOf(exchange) ? found : undefined;
  }

  /** It has ended: remembered, unless its client simply did not come any more. */
  forget(held: HeldConnection): void {
    const { socket } = held;
    this.present.delete(socket.token);
    if (socket.end?.code === CloseCode.ABNORMAL) return;
    const bytes = socket.keptBytes;
    this.ended.set(socket.token, { ...held, at: performance.now(), bytes });
    this.endedBytes += bytes;
    this.sweep();
  }

  private sweep(): void {
    clearTimeout(this.timer);
    const rememberMs = Math.max(REMEMBER_MS, this.settings.graceTime * 1000);
    const isTooMuch = () => this.ended.size > REMEMBER_MAX || this.endedBytes > this.settings.maxBufferedBytesTotal;
    for (const [token, { at, bytes }] of this.ended) {
      const left = at + rememberMs - performance.now();
      if (left > 0 && !isTooMuch()) {
        this.timer = setTimeout(() => this.sweep(), left).unref();
        return;
      }
      this.ended.delete(token);
      this.endedBytes -= bytes;
    }
  }
}

/** Path of a request, as the client sent it. */
export function pathOf({ incoming }: HttpExchange): string {
  return splitTarget(targetOf(incoming)).path;
}
