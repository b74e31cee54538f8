/** Road IN, step 1: the messages of a `POST` enter the queue of their connection, all of them or none. */
import type { HandshakeError } from '../../errors.js';
import type { HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import type { ClientMessage } from '../../relay.js';
import { gone } from './request-socket.js';
import { COUNT_HEADER, MESSAGE_ID_HEADER } from './request-transport.js';
import type { HeldConnection } from './tokens.js';

const MESSAGE_ID = /^[\w.:-]{1,64}$/;

/** @returns the id that the client gave to its request, if it did @throws HandshakeError 400 for one that is not valid */
export function messageIdOf({ incoming }: HttpExchange): string | undefined {
  const id = incoming.headers[MESSAGE_ID_HEADER];
  if (id === undefined || (typeof id === 'string' && MESSAGE_ID.test(id))) return id as string | undefined;
  throw rejection(400, `${MESSAGE_ID_HEADER} must have 1 to 64 characters of A-Z a-z 0-9 _ . : -`);
}

/**
 * @returns the number that a client library gives to the first message; undefined for a bare client
 * @throws HandshakeError 400 for one that is not valid
 */
export function countOf({ incoming }: HttpExchange): number | undefined {
  const count = incoming.headers[COUNT_HEADER];
  if (count === undefined) return undefined;
  if (typeof count === 'string' && /^[1-9]\d{0,14}$/.test(count)) return Number(count);
  throw rejection(400, `${COUNT_HEADER} must be the number of the first message`);
}

/** What a client says of the messages that it sends. */
interface Sent {
  /** The id that it gave to its request. */
  readonly id: string | undefined;
  /** The number of the first message. */
  readonly count: number | undefined;
}

/**
 * Gives messages to a connection. A request that it has taken already is not taken again.
 *
 * @throws HandshakeError 429 while its hooks are behind, 404 when it has ended; for a client library 400 without a
 *   number, and 409 when messages before these are missing
 */
export function takeMessages(
  { socket, taken }: Pick<HeldConnection, 'socket' | 'taken'>,
  messages: readonly ClientMessage[],
  { id, count }: Sent,
): void {
  if (id !== undefined && taken.has(id)) return;
  if (socket.isPaused) throw busy();
  if (socket.end) throw gone();
  const { counted } = socket;
  if (!counted) for (const { data, isBinary } of messages) socket.receive(data, isBinary);
  else if (count === undefined) throw rejection(400, `${COUNT_HEADER} must be the number of the first message`);
  else if (!counted.take(count, messages)) throw rejection(409, 'Messages before these are missing');
  if (id !== undefined) taken.add(id);
}

/** The refusal while the hooks of a connection are behind. */
export function busy(): HandshakeError {
  return rejection(429, 'Earlier messages are still being processed; retry later', { 'Retry-After': '1' });
}
