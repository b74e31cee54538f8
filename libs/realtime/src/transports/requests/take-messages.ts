/** Road IN, step 1: the messages of a `POST` enter the queue of their connection, all of them or none. */
import type { HandshakeError } from '../../errors.js';
import type { HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import type { ForwardedRequest } from '../../relay.js';
import type { ClientMessage } from '../../transport.js';
import { gone } from './request-socket.js';
import { COUNT_HEADER, MESSAGE_ID_HEADER } from './request-transport.js';
import type { HeldConnection } from './tokens.js';

const MESSAGE_ID = /^[\w.:-]{1,64}$/;
const COUNT = /^[1-9]\d{0,14}$/;

/** What the headers of a `POST` say of its messages. */
export type PostHeaders = Pick<ForwardedRequest, 'messageId' | 'count'>;

/** @throws HandshakeError 400 for headers that are not valid */
export function postOf({ incoming }: HttpExchange): PostHeaders {
  const { [MESSAGE_ID_HEADER]: messageId, [COUNT_HEADER]: count } = incoming.headers;
  if (messageId !== undefined && !MESSAGE_ID.test(String(messageId)))
    throw rejection(400, `${MESSAGE_ID_HEADER} must have 1 to 64 characters of A-Z a-z 0-9 _ . : -`);
  if (count !== undefined && !COUNT.test(String(count))) throw uncounted();
  return {
    ...(messageId !== undefined && { messageId: String(messageId) }),
    ...(count !== undefined && { count: Number(count) }),
  };
}

/**
 * Gives messages to a connection. Those that it has taken already are not taken again.
 *
 * @throws HandshakeError 429 while its hooks are behind, 404 when it has ended; for a client library, 400 without the
 *   number of the first message, and 409 when messages before it are missing
 */
export function takeMessages(
  { socket, taken }: Pick<HeldConnection, 'socket' | 'taken'>,
  messages: readonly ClientMessage[],
  { messageId: id, count }: PostHeaders,
): void {
  if (id !== undefined && taken.has(id)) return;
  if (socket.isPaused) throw busy();
  if (socket.end) throw gone();
  const { counted } = socket;
  if (counted) {
    if (count === undefined) throw uncounted();
    if (!counted.take(count, messages)) throw rejection(409, 'Messages before these are missing');
  } else for (const { data, isBinary } of messages) socket.receive(data, isBinary);
  if (id !== undefined) taken.add(id);
}

function uncounted(): HandshakeError {
  return rejection(400, 'X-Realtime-Count must be the number of the first message of this request');
}

/** The refusal while the hooks of a connection are behind. */
export function busy(): HandshakeError {
  return rejection(429, 'Earlier messages are still being processed; retry later', { 'Retry-After': '1' });
}
