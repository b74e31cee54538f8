/** Road IN, step 1: the messages of a `POST`, one or a batch, limited while the body is read. */
import type { IncomingMessage } from 'node:http';
import type { HandshakeError } from '../../errors.js';
import type { HttpExchange } from '../../http/exchange.js';
import { rejection } from '../../http/refusals.js';
import type { Limits } from '../../limits/limits.js';
import { owned } from '../../owned.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Post, Posts } from './posts.js';

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
 *   values, 408 for a body that does not arrive in time, 429 for one too many at once; whatever the posts refuse it with
 */
export async function readMessages(
  { incoming, raw }: HttpExchange,
  bounds: BodyBounds,
  limits: Pick<Limits, 'reached'>,
  posts: Posts,
): Promise<UpstreamMessage[]> {
  const type = incoming.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!TYPES.has(type)) throw rejection(415, `Send the body as ${[...TYPES].join(' or ')}`);
  const { 'content-encoding': encoding = 'identity' } = incoming.headers;
  if (encoding !== 'identity') throw rejection(415, 'Send the body without a Content-Encoding');
  const body = isParsed(raw.body, type) ? raw.body : await readBody(incoming, bounds, limits, posts);
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
  return Array.isArray(value) ? value.map(item) : [{ data: Buffer.from(written(value)), isBinary: false }];
}

/** Parsing has no limit of depth, but writing has: the stack. */
function written(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    throw rejection(400, 'The JSON is nested too deeply');
  }
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
function readBody(
  request: IncomingMessage,
  bounds: BodyBounds,
  limits: Pick<Limits, 'reached'>,
  posts: Posts,
): Promise<Buffer> {
  const declared = request.headers['content-length'];
  const isTooBig = Number(declared) > bounds.maxMessageBytes;
  if (isTooBig && limits.reached('messageBytes', `bytes=${declared}`)) throw tooBig(bounds);
  return new Promise((resolve, reject) => {
    const body = new Body(request, posts, { resolve, reject });
    body.read(bounds, limits);
  });
}

/** The first memory of a body, in bytes; it doubles until the body fits. */
const FIRST_BYTES = 4096;

const NOTHING = Buffer.alloc(0);

/** A body while it is read, in one buffer: a chunk may be a single byte, and would cost a hundred. */
class Body implements Post {
  bytes = 0;
  private buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private timer?: NodeJS.Timeout;
  private take: (chunk: Buffer) => void = () => {};

  constructor(
    private readonly request: IncomingMessage,
    private readonly posts: Posts,
    private readonly result: { resolve(body: Buffer): void; reject(why: HandshakeError): void },
  ) {}

  /** @throws HandshakeError 429 */
  read(bounds: BodyBounds, limits: Pick<Limits, 'reached'>): void {
    this.posts.begin(this);
    this.timer = timeOut(bounds, limits, () => this.refuse(rejection(408, 'The body did not arrive in time')));
    this.take = (chunk) => {
      const start = this.bytes;
      const end = start + chunk.length;
      const isOver = end > bounds.maxMessageBytes && start <= bounds.maxMessageBytes;
      const isTooBig = isOver && limits.reached('messageBytes', `bytes=${end}`);
      const why = isTooBig ? tooBig(bounds) : this.posts.count(this, chunk.length);
      if (why) this.refuse(why);
      else this.append(chunk, start);
    };
    this.request.on('data', this.take);
    this.request.once('end', () => this.finish());
    this.request.once('close', () => this.refuse(rejection(400, 'The request ended before its body was complete')));
  }

  refuse(why: HandshakeError): void {
    this.stop();
    this.buffer = NOTHING;
    this.request.pause();
    this.result.reject(why);
  }

  private finish(): void {
    this.stop();
    this.result.resolve(owned(this.buffer.subarray(0, this.bytes)));
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.request.off('data', this.take);
    this.posts.finish(this);
  }

  private append(chunk: Buffer, start: number): void {
    const end = start + chunk.length;
    if (end > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, start));
      this.buffer = larger;
    }
    this.buffer.set(chunk, start);
  }
}

function timeOut({ messageTimeout }: BodyBounds, limits: Pick<Limits, 'reached'>, late: () => void) {
  if (messageTimeout === 0) return undefined;
  return setTimeout(() => limits.reached('messageTime', 'status=408') && late(), messageTimeout * 1000);
}

function tooBig({ maxMessageBytes }: BodyBounds): HandshakeError {
  return rejection(413, `A request and a message may have at most ${maxMessageBytes} bytes`);
}
