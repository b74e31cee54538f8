/**
 * The four hooks of a handler. All are optional; per connection they never overlap: `onOpen` settles, then messages
 * one at a time and in order, then `onClose` exactly once. What a hook returns is not sent anywhere.
 */
import type { CloseInfo } from './close-info.js';
import type { Connection } from './connection.js';
import type { HandshakeRequest } from './handshake-request.js';
import type { Message } from './message.js';
import type { PathMatcher } from './paths.js';

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

/** A handler as the engine calls it: the hooks of one path, with what the framework puts around them. */
export interface Gateway {
  /** The class, for the log. */
  readonly name: string;
  readonly path: string;
  /** Default: equal to `path`. */
  readonly match?: PathMatcher;
  /** False: the handshake does not pass the HTTP application. Default true. */
  readonly middleware?: boolean;
  /** False: a plain GET on the path is not ours to answer. Default true. */
  readonly answersGet?: boolean;
  /** True: hooks after `onOpen` run in the async context (AsyncLocalStorage) of the handshake too. Default false. */
  readonly keepContext?: boolean;
  /** Refuses by throwing, before `onHandshake`. `response` is the platform's. */
  guard?(request: HandshakeRequest, response: unknown): Promise<void>;
  onHandshake?(request: HandshakeRequest): Awaitable<Identity | void>;
  onOpen?(connection: Connection, request: HandshakeRequest): Awaitable<void>;
  onMessage?(connection: Connection, message: Message): Awaitable<void>;
  onClose?(connection: Connection, close: CloseInfo): Awaitable<void>;
}
