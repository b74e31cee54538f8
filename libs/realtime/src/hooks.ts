/**
 * The six hooks of a gateway. All are optional, and the hooks of one connection never overlap: `onHandshake` and
 * `onAuthenticate` decide who may connect; then `onOpen` settles; then `onMessage` runs for one message at a time, in
 * order, and `onDrain` between messages; then `onClose` runs exactly once. The value that a hook returns is never sent.
 */
import type { PresenceChange } from './presence.js';
import type { Awaitable } from './awaitable.js';
import type { CloseInfo } from './close-info.js';
import type { Connection } from './connection.js';
import type { HandshakeRequest } from './handshake-request.js';
import type { Message } from './message.js';

/** Who a connection belongs to. `onHandshake` and `onAuthenticate` return it. */
export interface Identity {
  /** The user. Default: `String(request.user.id ?? request.user.sub)` if the request has a user. */
  readonly userId?: string;
  /** Rooms that the connection is in before `onOpen` runs. */
  readonly rooms?: readonly string[];
  /** The first value of `connection.data`. */
  readonly data?: unknown;
  /** When the credential expires; the connection is then closed with 4502. Default: never. */
  readonly expiresAt?: Date;
  /**
   * True: the user's other connections are closed with 4503. `{ keep: 3 }`: of all the user's connections on this node,
   * this one included, the newest three stay and older ones are closed with 4503. Default: false.
   */
  readonly replace?: boolean | { readonly keep: number };
}

/** Decides who may connect. It runs before the 101 response: until it returns, no socket and no connection exist. */
export interface OnHandshake {
  /**
   * @param request the handshake
   * @returns the identity; return nothing to use the request's user, if any
   * @throws HttpException (or HandshakeError) to refuse with its status and body; any other error refuses with 500
   */
  onHandshake(request: HandshakeRequest): Awaitable<Identity | void>;
}

/** Runs when the connection is established. Messages that arrive before it has settled wait. */
export interface OnOpen {
  /** @throws any error: the connection is closed with 1011, and `onClose` still runs */
  onOpen(connection: Connection, request: HandshakeRequest): Awaitable<void>;
}

/** Runs for each message, one at a time per connection. */
export interface OnMessage {
  /** @throws any error: the client gets an `exception` frame and the connection stays open */
  onMessage(connection: Connection, message: Message): Awaitable<void>;
}

/** Runs exactly once per connection that was opened, whichever side ended it. Its rooms can still be read. */
export interface OnClose {
  /** @throws any error: it is logged */
  onClose(connection: Connection, close: CloseInfo): Awaitable<void>;
}

/** Runs when a client that was too slow has read everything that waited for it. */
export interface OnDrain {
  /** @throws any error: it is logged, and the connection stays open */
  onDrain(connection: Connection): Awaitable<void>;
}

/**
 * Runs for each change of who is in a room with `presence`, on every node that has connections in the room. A gateway or any
 * other provider can have it. Changes are handed over in their order, and nobody waits for the hook.
 */
export interface OnPresence {
  /**
   * @param change who came, changed or left; `change.isLocal` is true on the node that made it
   * @throws any error: it is logged
   */
  onPresence(change: PresenceChange): Awaitable<void>;
}

/**
 * Decides from the first message who a client is, for clients that cannot send a credential in any other way. The
 * connection opens when it returns: before that, nothing is pushed to the client and `onOpen` does not run.
 */
export interface OnAuthenticate {
  /**
   * @param message the first message
   * @param request the handshake
   * @returns the identity; each field that it has takes precedence over the one that `onHandshake` returned
   * @throws UnauthorizedException, ForbiddenException or WsException to close the client with 4501 (stay away); 429 and
   *   503 close it with 1013 (come back later); any other error is a fault of the application and closes it with 1011
   */
  onAuthenticate(message: Message, request: HandshakeRequest): Awaitable<Identity | void>;
}
