/** The contract of a transport that speaks plain HTTP, and how its requests are recognized. */
import type { IncomingMessage } from 'node:http';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';
import { splitTarget, targetOf } from '../../http/platform-request.js';
import type { Transport } from '../../transport.js';
import type { RequestSocket } from './request-socket.js';

/** The request header that carries a connection's token. */
export const TOKEN_HEADER = 'x-realtime-token';

/** The request header with the id that a client gives to a `POST`, so that it can send it again. */
export const MESSAGE_ID_HEADER = 'x-realtime-message-id';

/** A transport that speaks plain HTTP. */
export interface RequestTransport extends Transport {
  /** Returns whether a GET asks for this transport. */
  takes(exchange: HttpExchange): boolean;
  /** Returns the connection that a GET wants to resume, and the position that its client has reached. */
  ticket(exchange: HttpExchange): { token: string; position: number } | undefined;
  createSocket(): RequestSocket;
  /**
   * Answers a client whose connection cannot be reached for the moment, so that it asks again and resumes. Default: 503,
   * which every client understands but an EventSource: that one stays away for good.
   */
  postpone?(answer: HttpAnswer): void;
}

/** Returns whether a request on a gateway's path carries messages or the end of a connection. */
export function isUpstream({ method, headers }: IncomingMessage): boolean {
  return (method === 'POST' || method === 'DELETE') && typeof headers[TOKEN_HEADER] === 'string';
}

/** Returns whether a request is a preflight for this module: an application may have routes on the same path. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  if (method !== 'OPTIONS') return false;
  if (headers['access-control-request-method'] === 'GET') return true;
  return headers['access-control-request-headers']?.toLowerCase().includes(TOKEN_HEADER) ?? false;
}

/** Returns the query of a request. */
export function queryOf({ incoming }: HttpExchange): URLSearchParams {
  return new URLSearchParams(splitTarget(targetOf(incoming)).query);
}
