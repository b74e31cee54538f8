/** What a client sends by `POST`: one message or a batch, bounded while it comes in. */
import type { IncomingMessage } from 'node:http';
import { refusal } from '../refusals.js';
import type { Visit } from './answer.js';

export interface UpstreamMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/**
 * Reads the messages of a request: `text/plain` is one text message, `application/octet-stream` a binary one,
 * `application/json` a batch where it is an array (texts, or `{ "binary": base64 }`) and else one message, the JSON.
 *
 * @param maxBytes of one message
 * @throws HandshakeError 413 for one that is too long, 415 for another type, 400 for a batch that is none
 */
export async function readMessages({ node, raw }: Visit, maxBytes: number): Promise<UpstreamMessage[]> {
  const type = node.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!TYPES.has(type)) throw refusal(415, `Send ${[...TYPES].join(', ')}`);
  const body = isRead(raw.body) ? raw.body : await readBody(node, maxBytes);
  const messages = type === 'application/json' ? fromJson(body) : [single(body, type !== 'text/plain')];
  for (const { data } of messages) if (data.length > maxBytes) throw tooBig(maxBytes);
  return messages;
}

const TYPES: ReadonlySet<string> = new Set(['text/plain', 'application/json', 'application/octet-stream']);

/** A body parser of the application has read it already. */
function isRead(body: unknown): body is string | Buffer | object {
  return typeof body === 'string' || (typeof body === 'object' && body !== null);
}

function single(body: unknown, isBinary: boolean): UpstreamMessage {
  const data = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : '');
  return { data, isBinary };
}

function fromJson(body: unknown): UpstreamMessage[] {
  const value = Buffer.isBuffer(body) || typeof body === 'string' ? parse(body.toString()) : body;
  return Array.isArray(value) ? value.map(item) : [{ data: Buffer.from(JSON.stringify(value)), isBinary: false }];
}

function item(value: unknown): UpstreamMessage {
  if (typeof value === 'string') return { data: Buffer.from(value), isBinary: false };
  const { binary } = (value ?? {}) as { binary?: unknown };
  if (typeof binary === 'string') return { data: Buffer.from(binary, 'base64'), isBinary: true };
  throw refusal(400, 'A batch is an array of texts and { "binary": base64 }');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusal(400, 'The body is not valid JSON');
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooBig(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooBig(maxBytes: number) {
  return refusal(413, `A message has at most ${maxBytes} bytes`);
}
