/**
 * The four hooks of a handler. All are optional; per connection they never overlap: `onOpen` settles, then messages
 * one at a time and in order, then `onClose` exactly once. What a hook returns is not sent anywhere.
 */
import type { CloseInfo } from './close-info.js';
import type { Connection } from './connection.js';
import type { HandshakeRequest } from './handshake-request.js';
import type { Message } from './message.js';

/** A value or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** Who a connection belongs to; returned by `onHandshake`. */
export interface Identity {
  /** The user. Default: `String(request.user.id ?? request.user.sub)` where the request has a user. */
  readonly userId?: string;
  /** Rooms that the connection is in before `onOpen` runs. */
  readonly rooms?: readonly string[];
  /** Becomes `connection.data`. */
  readonly data?: unknown;
  /** When the credential ends: the connection is then closed with 4502. */
  readonly expiresAt?: Date;
  /** True: the user's older connections are closed with 4503. */
  readonly replace?: boolean;
}

/** Decides who may connect. It runs before the 101: until it returns there is no socket, no connection, no push. */
export interface OnHandshake {
  /**
   * @param request the handshake
   * @returns who this is; nothing takes the user of the request, if it has one
   * @throws HttpException (or HandshakeError) to refuse with that status and body; anything else refuses with 500
   */
  onHandshake(request: HandshakeRequest): Awaitable<Identity | void>;
}

/** Runs when the connection is established. Messages that arrive meanwhile wait. */
export interface OnOpen {
  /** @throws anything: the connection is closed with 1011, and `onClose` still runs */
  onOpen(connection: Connection, request: HandshakeRequest): Awaitable<void>;
}

/** Runs for each message, one at a time per connection. */
export interface OnMessage {
  /** @throws anything: the client gets an `exception` frame and the connection stays */
  onMessage(connection: Connection, message: Message): Awaitable<void>;
}

/** Runs exactly once per connection that was opened, whoever ended it; its rooms can still be read. */
export interface OnClose {
  /** @throws anything: it is logged */
  onClose(connection: Connection, close: CloseInfo): Awaitable<void>;
}

/** Runs when a client that was too slow has read all that waited for it. */
export interface OnDrain {
  /** @throws anything: it is logged */
  onDrain(connection: Connection): Awaitable<void>;
}

/**
 * Decides by the first message who a client is, for clients that can send a credential no other way. The connection
 * opens only then: until it returns nothing is pushed to the client, and `onOpen` has not run.
 */
export interface OnAuthenticate {
  /**
   * @param message the first message
   * @param request the handshake
   * @returns who this is; it wins over what `onHandshake` said
   * @throws anything: the client is closed with 4501
   */
  onAuthenticate(message: Message, request: HandshakeRequest): Awaitable<Identity | void>;
}
