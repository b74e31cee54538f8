/** A gateway as the engine calls it: the hooks of one path, including what the framework puts around them. */
import type { Awaitable } from './awaitable.js';
import type { CloseInfo } from './close-info.js';
import type { Connection } from './connection.js';
import type { SlowPolicy } from './frame.js';
import type { HandshakeRequest, Params } from './handshake-request.js';
import type { Identity } from './hooks.js';
import type { Message } from './message.js';
import type { TransportName } from './settings/options.js';

export interface Gateway {
  /** The name of its class, for the log. */
  readonly name: string;
  readonly path: string;
  /** Default: the request's path has to equal `path`. */
  readonly match?: PathMatcher;
  /** False: the handshake skips the HTTP application and its middleware. Default: true. */
  readonly middleware?: boolean;
  /** The transports that its clients may use. Default: `REALTIME_TRANSPORTS`. */
  readonly transports?: readonly TransportName[];
  /** The subprotocols that it speaks, or what chooses among the offered ones. Default: none. */
  readonly protocols?: Protocols;
  /** False: a plain GET on the path is left to the application. Default: true. */
  readonly answersGet?: boolean;
  /** True: hooks after `onOpen` also run in the handshake's async context (AsyncLocalStorage). Default: false. */
  readonly keepContext?: boolean;
  /** True: the request is kept, so that `guard` can be asked again on open connections. Default: only at an interval. */
  readonly recheck?: boolean;
  /** Runs before `onHandshake` and refuses by throwing. `response` is the platform's. */
  guard?(request: HandshakeRequest, response: unknown): Promise<void>;
  /** What happens when one of its clients is too slow. Default: `REALTIME_SLOW_CONSUMER`. */
  readonly slowConsumer?: SlowPolicy;
  onHandshake?(request: HandshakeRequest): Awaitable<Identity | void>;
  onAuthenticate?(message: Message, request: HandshakeRequest): Awaitable<Identity | void>;
  onOpen?(connection: Connection, request: HandshakeRequest): Awaitable<void>;
  onMessage?(connection: Connection, message: Message): Awaitable<void>;
  /** Called when a message has to wait for its turn, before `onMessage` gets it. MUST NOT throw. */
  onWaiting?(connection: Connection, message: Message): void;
  /** Returns the id by which the client expects an answer to a message, if it gave one. MUST NOT throw. */
  requestId?(message: Message): string | number | undefined;
  onDrain?(connection: Connection): Awaitable<void>;
  onClose?(connection: Connection, close: CloseInfo): Awaitable<void>;
}

/**
 * Subprotocols of a gateway: a list, from which the first name that the client offers is agreed, or a function that
 * returns one of the offered names, or nothing to agree to none.
 */
export type Protocols =
  readonly string[] | ((offered: readonly string[], request: HandshakeRequest) => string | false | undefined);

/** Returns the parameters of a request's path if it matches; undefined if it does not. */
export type PathMatcher = (path: string) => Params | undefined;
