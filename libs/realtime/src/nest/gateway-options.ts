import type { TransportName } from '../settings/options.js';
import type { SlowPolicy } from '../frame.js';

/**
 * What this module reads of `@WebSocketGateway(options)`, beside what Nest reads.
 *
 * @example @WebSocketGateway({ path: '/rooms/:id', keepContext: true } satisfies RealtimeGatewayOptions)
 */
export interface RealtimeGatewayOptions {
  /** The path, or several. Default: `REALTIME_PATH` for a gateway with hooks, `/` for one without. */
  readonly path?: string | readonly string[];
  /** The version, as `@Controller({ version })`, where the application has URI versioning. */
  readonly version?: string | readonly string[];
  /** False: the handshake skips the HTTP application's middleware; guards and `onHandshake` still run. Default true. */
  readonly middleware?: boolean;
  /**
   * Which guards run when. `handshake` (default where there are hooks): global, class and `onHandshake` guards once,
   * before the 101, in the `http` context. `message` (default without hooks): all of them per message, in the `ws`
   * context. `both`: both.
   */
  readonly guards?: 'handshake' | 'message' | 'both';
  /** What happens to a message for a client that is too slow. Default: `REALTIME_SLOW_CONSUMER`. */
  readonly slowConsumer?: SlowPolicy;
  /** The transports it speaks. Default: `REALTIME_TRANSPORTS`. */
  readonly transports?: readonly TransportName[];
  /** True: `onMessage` and `onClose` run in the async context of the handshake; it is kept in memory. Default false. */
  readonly keepContext?: boolean;
}
