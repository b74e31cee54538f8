/** Road IN, step 1: the connections that live between requests, by their tokens. */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { HttpExchange } from '../../http/exchange.js';
import { splitTarget, targetOf } from '../../http/platform-request.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { tokenDigest } from '../../handshake/claims.js';
import type { Fingerprint } from '../../handshake/fingerprint.js';
import type { RequestSocket } from './request-socket.js';
import type { RequestTransport } from './request-transport.js';
import type { TakenIds } from './taken-ids.js';

/** A connection that lives between requests. */
export interface HeldConnection {
  readonly socket: RequestSocket;
  /** The token under which it is found. */
  readonly token: string;
  /** The connection's public id. */
  readonly id: string;
  /** The fingerprint of its handshake; later requests must match it. */
  readonly owner: Fingerprint;
  /** The path of its handshake: another path has other guards. */
  readonly path: string;
  readonly transport: RequestTransport;
  /** The `POST`s that it has taken. */
  readonly taken: TakenIds;
}

/** An ended connection is remembered for at least this long, in milliseconds, and at most this many are. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 10_000;

export class Tokens {
  /** By the digests of their tokens, which is what other nodes send. */
  private readonly present = new Map<string, HeldConnection>();
  /** Ended connections, the oldest first: their clients may not know of the end, or have to be kept away again. */
  private readonly ended = new Map<string, HeldConnection & { readonly at: number }>();
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly settings: Pick<RealtimeSettings, 'graceTime' | 'maxBufferedBytesTotal'>,
    /** The bytes that this process holds for all clients, those of ended connections included. */
    private readonly held: { readonly bytes: number },
  ) {}

  add(held: HeldConnection): void {
    this.present.set(tokenDigest(held.token), held);
  }

  /** The wire of a session is gone: another one may be here already. @param all the wire under each of its tokens */
  dropWire(all: readonly HeldConnection[]): void {
    for (const held of all) {
      const digest = tokenDigest(held.token);
      if (this.present.get(digest) === held) this.present.delete(digest);
    }
    all[0]!.socket.forget();
  }

  /** Returns the connection of a token on the path of the request; it may have ended. */
  find(token: string, exchange: HttpExchange): HeldConnection | undefined {
    return this.findDigest(tokenDigest(token), pathOf(exchange));
  }

  /** @param digest of a token @param path that of the request; default: any @returns as `find` */
  findDigest(digest: string, path?: string): HeldConnection | undefined {
    const found = this.present.get(digest) ?? this.ended.get(digest);
    return path === undefined || found?.path === path ? found : undefined;
  }

  /** Moves an ended connection aside. It is remembered unless it ended because its client stayed away. */
  forget(held: HeldConnection): void {
    const { socket, token } = held;
    const digest = tokenDigest(token);
    this.present.delete(digest);
    if (socket.end?.code === CloseCode.ABNORMAL) {
      socket.forget();
      return;
    }
    this.ended.set(digest, { ...held, at: performance.now() });
    this.sweep();
  }

  private sweep(): void {
    clearTimeout(this.timer);
    const rememberMs = Math.max(REMEMBER_MS, this.settings.graceTime * 1000);
    const isTooMuch = () => this.ended.size > REMEMBER_MAX || this.held.bytes > this.settings.maxBufferedBytesTotal;
    for (const [digest, { at, socket }] of this.ended) {
      const left = at + rememberMs - performance.now();
      if (left > 0 && !isTooMuch()) {
        this.timer = setTimeout(() => this.sweep(), left).unref();
        return;
      }
      this.ended.delete(digest);
      socket.forget();
    }
  }
}

/** Returns the path of a request, as the client sent it. */
export function pathOf({ incoming }: HttpExchange): string {
  return splitTarget(targetOf(incoming)).path;
}
