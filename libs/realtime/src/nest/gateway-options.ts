import { WebSocketGateway as NestGateway } from '@nestjs/websockets';
import type { SlowPolicy } from '../frame.js';
import type { Protocols } from '../gateway.js';
import type { TransportName } from '../settings/options.js';

/** The options of `@WebSocketGateway()` that this module reads. */
export interface RealtimeGatewayOptions {
  /** The path, or several. Default: `REALTIME_PATH` for a gateway with hooks, `/` for one without. */
  readonly path?: string | readonly string[];
  /** The version, as `@Controller({ version })`, where the application has URI versioning. */
  readonly version?: string | readonly string[];
  /** False: the handshake skips the HTTP application's middleware; guards and `onHandshake` still run. Default true. */
  readonly middleware?: boolean;
  /**
   * When guards run. `handshake` (default for a gateway with hooks): global, class and `onHandshake` guards run once,
   * before the 101, in the `http` context. `message` (default for a gateway without hooks): all of them run for each
   * message, in the `ws` context. `both`: they run at the handshake and for each message.
   */
  readonly guards?: 'handshake' | 'message' | 'both';
  /** What happens to messages for a client that reads too slowly. Default: `REALTIME_SLOW_CONSUMER`. */
  readonly slowConsumer?: SlowPolicy;
  /** The transports that it accepts. Default: `REALTIME_TRANSPORTS`. */
  readonly transports?: readonly TransportName[];
  /**
   * The subprotocols that it speaks: the first one that the client offers is agreed. Or a function that gets the offered
   * names, without credentials, and the request, and returns one of them, or nothing. Default: none is agreed.
   */
  readonly protocols?: Protocols;
  /**
   * True: `server.recheck(userId)` can ask the guards of its open connections again. It keeps the request's url, headers,
   * cookies, session id and user in memory, about 1.5 KB for each connection. Default: only with
   * `REALTIME_RECHECK_INTERVAL`.
   */
  readonly recheck?: boolean;
  /** True: `onMessage` and `onClose` run in the async context of the handshake, which stays in memory. Default false. */
  readonly keepContext?: boolean;
}

/**
 * Nest's own `@WebSocketGateway()`, whose options the compiler checks here: Nest's type takes any object.
 *
 * @param options the options that this module reads; default: none
 * @returns the decorator of the class
 * @example @WebSocketGateway({ path: '/rooms/:id', guards: 'both' })
 */
export const WebSocketGateway: (options?: RealtimeGatewayOptions) => ClassDecorator = NestGateway;
