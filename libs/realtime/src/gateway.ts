/** A handler as the engine calls it: the hooks of one path, with what the framework puts around them. */
import type { CloseInfo } from './close-info.js';
import type { Connection } from './connection.js';
import type { SlowPolicy } from './frame.js';
import type { HandshakeRequest, Params } from './handshake-request.js';
import type { Awaitable, Identity } from './hooks.js';
import type { Message } from './message.js';
import type { TransportName } from './settings/options.js';

export interface Gateway {
  /** The class, for the log. */
  readonly name: string;
  readonly path: string;
  /** Default: equal to `path`. */
  readonly match?: PathMatcher;
  /** False: the handshake does not pass the HTTP application. Default true. */
  readonly middleware?: boolean;
  /** The transports it speaks. Default: the setting's. */
  readonly transports?: readonly TransportName[];
  /** False: a plain GET on the path is not ours to answer. Default true. */
  readonly answersGet?: boolean;
  /** True: hooks after `onOpen` run in the async context (AsyncLocalStorage) of the handshake too. Default false. */
  readonly keepContext?: boolean;
  /** Refuses by throwing, before `onHandshake`. `response` is the platform's. */
  guard?(request: HandshakeRequest, response: unknown): Promise<void>;
  /** Default: the setting's. */
  readonly slowConsumer?: SlowPolicy;
  onHandshake?(request: HandshakeRequest): Awaitable<Identity | void>;
  onAuthenticate?(message: Message, request: HandshakeRequest): Awaitable<Identity | void>;
  onOpen?(connection: Connection, request: HandshakeRequest): Awaitable<void>;
  onMessage?(connection: Connection, message: Message): Awaitable<void>;
  onDrain?(connection: Connection): Awaitable<void>;
  onClose?(connection: Connection, close: CloseInfo): Awaitable<void>;
}

/** Tells whether a request's path is this one; `undefined` when not. */
export type PathMatcher = (path: string) => Params | undefined;
