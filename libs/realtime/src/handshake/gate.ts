/** What a request was admitted with. */
import type { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { HttpAnswer } from '../http/exchange.js';
import type { PlatformRequest } from '../http/platform-request.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import type { Sink, Socket } from '../transport.js';
import type { OpenSession } from './session.js';

export interface Admission {
  readonly gateway: Gateway;
  readonly request: HandshakeRequest;
  readonly identity: Identity;
  /** The async context (AsyncLocalStorage) in which it was admitted; `onOpen` runs in it. */
  readonly scope: AsyncResource;
  /** The HTTP session as middleware left it; what hooks write to it is saved. */
  readonly session?: OpenSession;
  /** MUST be called when the request will not become a connection after all. */
  release(): void;
}

/** The way in, for transports. */
export interface Gate {
  /** Tells whether a path belongs to a gateway. */
  serves(path: string): boolean;
  /** @throws HandshakeError with the HTTP answer; AnsweredError when the application has given it already */
  admit(upgrade: UpgradeResponse): Promise<Admission>;
  /**
   * Counts and logs a refusal that a transport decided by itself.
   *
   * @param raw the platform's request, where there is one: it knows the client's address
   */
  noteRefusal(node: IncomingMessage, error: unknown, raw?: PlatformRequest): void;
  /** Admits a request that has come through the middleware by itself. @throws what the platform should answer */
  admitRequest(node: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<Admission>;
  /**
   * Asks origin and guards about a further request of a connection.
   *
   * @returns the request as the application sees it, for `isOwner`
   * @throws what the platform should answer
   */
  recheck(node: IncomingMessage, raw: PlatformRequest & object, response: unknown): Promise<HandshakeRequest>;
  /** Sets the CORS headers for an origin that may connect. */
  allowOrigin(node: IncomingMessage, raw: PlatformRequest & object, answer: Pick<HttpAnswer, 'header'>): void;
  /** Tells whether the gateway of a request speaks a transport. */
  speaks(node: IncomingMessage, transport: string): boolean;
  open(admission: Admission, socket: Socket, transport: string): Sink;
}

/** What a request is admitted with; it takes no place yet. */
export type Verdict = Omit<Admission, 'release'>;
