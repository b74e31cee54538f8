/** Road IN, step 1: the messages of a `POST`, one or a batch, limited while the body is read. */
import type { IncomingMessage } from 'node:http';
import type { HandshakeError } from '../../errors.js';
import type { HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import type { Limits } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';

export interface UpstreamMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** The limits of a request. */
type BodyBounds = Pick<RealtimeSettings, 'maxMessageBytes' | 'maxQueuedMessages' | 'messageTimeout'>;

/**
 * Reads the messages of a request: `text/plain` is one text message; `application/json` is a batch if it is an array
 * (of texts and `{ "binary": base64 }`), else one message, the JSON.
 *
 * @throws HandshakeError 413 for a body or batch that is too long, 415 for another type, 400 for a batch with other
 *   values, 408 for a body that does not arrive in time
 */
export async function readMessages(
  { incoming, raw }: HttpExchange,
  bounds: BodyBounds,
  limits: Pick<Limits, 'reached'>,
): Promise<UpstreamMessage[]> {
  const type = incoming.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!TYPES.has(type)) throw rejection(415, `Send the body as ${[...TYPES].join(' or ')}`);
  const { 'content-encoding': encoding = 'identity' } = incoming.headers;
  if (encoding !== 'identity') throw rejection(415, 'Send the body without a Content-Encoding');
  const body = isParsed(raw.body, type) ? raw.body : await readBody(incoming, bounds, limits);
  const messages = type === TEXT ? [{ data: bytesOf(body), isBinary: false }] : fromJson(body);
  const { maxQueuedMessages, maxMessageBytes } = bounds;
  if (messages.length > maxQueuedMessages && limits.reached('queuedMessages', `batch=${messages.length}`)) {
    throw rejection(413, `A batch may have at most ${maxQueuedMessages} messages`);
  }
  for (const { data } of messages) {
    if (data.length > maxMessageBytes && limits.reached('messageBytes', `bytes=${data.length}`)) throw tooBig(bounds);
  }
  return messages;
}

const TEXT = 'text/plain';
const TYPES: ReadonlySet<string> = new Set([TEXT, 'application/json']);

/**
 * Returns whether a body parser of the application has read the body. Some leave an empty object when they have not.
 */
function isParsed(body: unknown, type: string): boolean {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return true;
  return type !== TEXT && body !== undefined;
}

function bytesOf(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(body as string);
}

function fromJson(body: unknown): UpstreamMessage[] {
  const value = Buffer.isBuffer(body) || typeof body === 'string' ? parse(body.toString()) : body;
  return Array.isArray(value) ? value.map(item) : [{ data: Buffer.from(JSON.stringify(value)), isBinary: false }];
}

function item(value: unknown): UpstreamMessage {
  if (typeof value === 'string') return { data: Buffer.from(value), isBinary: false };
  const { binary } = (value ?? {}) as { binary?: unknown };
  if (typeof binary === 'string') return { data: Buffer.from(binary, 'base64'), isBinary: true };
  throw rejection(400, 'A batch must be an array of texts and { "binary": base64 }');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw rejection(400, 'The body is not valid JSON');
  }
}

/** Reads no further than the limit. The request is not destroyed, so that the client can still be answered. */
function readBody(request: IncomingMessage, bounds: BodyBounds, limits: Pick<Limits, 'reached'>): Promise<Buffer> {
  const declared = request.headers['content-length'];
  const isTooBig = Number(declared) > bounds.maxMessageBytes;
  if (isTooBig && limits.reached('messageBytes', `bytes=${declared}`)) throw tooBig(bounds);
  return collect(request, bounds, limits);
}

function collect(request: IncomingMessage, bounds: BodyBounds, limits: Pick<Limits, 'reached'>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const refuse = (why: HandshakeError) => {
      clearTimeout(timer);
      request.off('data', take).pause();
      reject(why);
    };
    const take = (chunk: Buffer) => {
      const before = size;
      size += chunk.length;
      const isOver = size > bounds.maxMessageBytes && before <= bounds.maxMessageBytes;
      if (isOver && limits.reached('messageBytes', `bytes=${size}`)) refuse(tooBig(bounds));
      else chunks.push(chunk);
    };
    const timer = timeOut(bounds, limits, () => refuse(rejection(408, 'The body did not arrive in time')));
    request.on('data', take);
    request.once('end', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
    request.once('close', () => refuse(rejection(400, 'The request ended before its body was complete')));
  });
}

function timeOut({ messageTimeout }: BodyBounds, limits: Pick<Limits, 'reached'>, late: () => void) {
  if (messageTimeout === 0) return undefined;
  return setTimeout(() => limits.reached('messageTime', 'status=408') && late(), messageTimeout * 1000);
}

function tooBig({ maxMessageBytes }: BodyBounds): HandshakeError {
  return rejection(413, `A request and a message may have at most ${maxMessageBytes} bytes`);
}
