import type { AnyContract, Contract } from './contract.js';
import { type Environment, ownEnvironment, type WebSocketClass } from './environment.js';
import type { ConnectOptions } from './options.js';
import { RealtimeSocket } from './socket.js';
import { openWebSocket } from './websocket.js';
import type { OpenTransport, OpenWire } from './wire.js';

/** The transports that are loaded when they are needed. */
export interface RequestTransports {
  readonly sse: OpenWire;
  readonly polling: OpenWire;
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
 * @param world returns the environment; default: that of the runtime
 */
export function connectWith(
  load: () => Promise<RequestTransports> | RequestTransports,
  world: (given?: WebSocketClass) => Environment = ownEnvironment,
): Connect {
  const open: OpenTransport = async (owner) =>
    owner.via === 'websocket' ? openWebSocket(owner) : (await load())[owner.via](owner);
  return (url, options = {}) =>
    new RealtimeSocket<never>(url, options, open, world(options.WebSocket)).connect() as never;
}
