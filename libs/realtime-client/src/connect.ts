import type { AnyContract, Contract } from './contract.js';
import type { Environment } from './environment.js';
import { ClientError } from './errors.js';
import type { ConnectOptions } from './options.js';
import { type Openers, RealtimeSocket } from './socket.js';
import { openWebSocket } from './websocket.js';
import type { OpenWire } from './wire.js';

/** The transports that are loaded when they are needed. */
export interface RequestTransports {
  readonly openSse: OpenWire;
  readonly openPolling: OpenWire;
}

/**
 * Connects to a gateway, and stays connected.
 *
 * @typeParam C the contract of the application
 * @param url the path of the gateway on the page's own host, or a URL; outside a page an absolute one
 * @param options all optional
 * @returns a socket that is connecting; `state` and `onState` say what becomes of it
 * @throws ClientError `bad_option` for a URL or a transport that does not exist
 * @example
 *   const socket = connect<Chat>('/ws', { token: () => fetchToken() });
 *   socket.on('message', ({ from, text }) => show(from, text));
 */
export type Connect = <C extends Contract = AnyContract>(
  url: string | URL,
  options?: ConnectOptions,
) => RealtimeSocket<C>;

/**
 * @param load loads the transports that most clients never need
 * @param environment default: that of the runtime
 */
export function connectWith(
  load: () => Promise<RequestTransports> | RequestTransports,
  environment?: Environment,
): Connect {
  const openers: Openers = {
    async websocket(options) {
      const Class = await options.environment.webSocket();
      if (!Class) throw new ClientError('bad_option', 'There is no WebSocket here: install ws, or pass its class');
      return openWebSocket(Class, options);
    },
    sse: async (options) => (await load()).openSse(options),
    polling: async (options) => (await load()).openPolling(options),
  };
  return (url, options = {}) => new RealtimeSocket<never>(url, options, openers, environment).connect() as never;
}
