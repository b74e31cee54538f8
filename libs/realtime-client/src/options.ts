/** The options of a client, and their checks. */
import type { Environment, WebSocketClass } from './environment.js';
import { ClientError } from './errors.js';
import type { QueueOptions } from './session.js';
import type { TokenSource } from './token.js';
import type { Transport } from './wire.js';

/** The options of `connect`. All are optional. */
export interface ConnectOptions {
  /**
   * The user's token, or a function that returns it. It travels in the `Authorization` header, and in a subprotocol of
   * a WebSocket. The function is called for the first connection, when the server has refused the token, and when the
   * server says that it expires.
   */
  readonly token?: TokenSource;
  /** The first message, for a gateway with `onAuthenticate`: sent on every new wire, before anything else. */
  readonly authenticate?: () => unknown;
  /** Subprotocols of the application. */
  readonly protocols?: readonly string[];
  /** The transports to use, the best first; default: `websocket`, `sse`, `polling`. */
  readonly transports?: readonly Transport[];
  /** The bound of what waits while there is no connection. */
  readonly queue?: QueueOptions;
  /** How long `request` waits for its answer, in milliseconds; default 10,000. */
  readonly timeout?: number;
  /** The class of WebSockets; default: that of the runtime, else that of the package `ws`. */
  readonly WebSocket?: WebSocketClass;
}

const TRANSPORTS: readonly Transport[] = ['websocket', 'sse', 'polling'];

/**
 * @returns the URL with `http:` or `https:`
 * @throws ClientError `bad_option`
 */
export function httpUrl(url: string | URL, { page }: Environment): string {
  try {
    const { href } = new URL(url, page?.location?.href);
    if (/^(http|ws)s?:/.test(href)) return href.replace(/^ws/, 'http').replace(/#.*/, '');
  } catch {
    // Not a URL: the error below says so
  }
  throw new ClientError('bad_option', `${String(url)} is not a URL like wss://app.example.com/ws, or in a page /ws`);
}

/** @throws ClientError `bad_option` */
export function checkedTransports(names: readonly Transport[] = TRANSPORTS): readonly Transport[] {
  if (names.length > 0 && names.every((name) => TRANSPORTS.includes(name))) return names;
  throw new ClientError('bad_option', `transports must be some of ${TRANSPORTS.join()}, not ${names.join()}`);
}
