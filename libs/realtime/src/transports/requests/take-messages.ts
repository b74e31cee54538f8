/** Road IN, step 1: the messages of a `POST` enter the queue of their connection, all of them or none. */
import type { HandshakeError } from '../../errors.js';
import type { HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import type { ClientMessage } from '../../relay.js';
import { gone } from './request-socket.js';
import { MESSAGE_ID_HEADER } from './request-transport.js';
import type { HeldConnection } from './tokens.js';

const MESSAGE_ID = /^[\w.:-]{1,64}$/;

/** @returns the id that the client gave to its request, if it did @throws HandshakeError 400 for one that is not valid */
export function messageIdOf({ incoming }: HttpExchange): string | undefined {
  const id = incoming.headers[MESSAGE_ID_HEADER];
  if (id === undefined || (typeof id === 'string' && MESSAGE_ID.test(id))) return id as string | undefined;
  throw rejection(400, `${MESSAGE_ID_HEADER} must have 1 to 64 characters of A-Z a-z 0-9 _ . : -`);
}

/**
 * Gives messages to a connection. A request that it has taken already is not taken again.
 *
 * @param id the id that the client gave to its request
 * @throws HandshakeError 429 while its hooks are behind, 404 when it has ended
 */
export function takeMessages(
  { socket, taken }: Pick<HeldConnection, 'socket' | 'taken'>,
  messages: readonly ClientMessage[],
  id: string | undefined,
): void {
  if (id !== undefined && taken.has(id)) return;
  if (socket.isPaused) throw busy();
  if (socket.end) throw gone();
  if (id !== undefined) taken.add(id);
  for (const { data, isBinary } of messages) socket.receive(data, isBinary);
}

/** The refusal while the hooks of a connection are behind. */
export function busy(): HandshakeError {
  return rejection(429, 'Earlier messages are still being processed; retry later', { 'Retry-After': '1' });
}
