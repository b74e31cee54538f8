/** The contract of a transport that speaks plain HTTP, and what marks a request as one of its own. */
import type { IncomingMessage } from 'node:http';
import type { HttpExchange } from '../../http/exchange.js';
import { splitTarget, targetOf } from '../../http/platform-request.js';
import type { Transport } from '../../transport.js';
import type { RequestSocket } from './request-socket.js';

/** The request header that carries a connection's token. */
export const TOKEN_HEADER = 'x-realtime-token';

/** A transport that speaks plain HTTP. */
export interface RequestTransport extends Transport {
  /** Tells whether a GET asks for this transport. */
  takes(exchange: HttpExchange): boolean;
  /** The connection that a GET wants to go on with. */
  ticket(exchange: HttpExchange): { token: string; position: number } | undefined;
  createSocket(): RequestSocket;
}

/** Tells whether a request on a gateway's path is one that a connection's client sends upstream. */
export function isUpstream({ method, headers }: IncomingMessage): boolean {
  return typeof headers[TOKEN_HEADER] === 'string' && (method === 'POST' || method === 'DELETE');
}

/** Tells whether it is a preflight for a request that can be ours: an application may have routes on the same path. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  if (method !== 'OPTIONS') return false;
  if (headers['access-control-request-method'] === 'GET') return true;
  return headers['access-control-request-headers']?.toLowerCase().includes(TOKEN_HEADER) ?? false;
}

/** The query of a request. */
export function queryOf({ incoming }: HttpExchange): URLSearchParams {
  return new URLSearchParams(splitTarget(targetOf(incoming)).query);
}
