/** HTTP/1.1 as bytes: a request builder that can break every rule, and a strict parser of answers. */
import { randomBytes } from 'node:crypto';

/** A request; every part that is left out is that of a WebSocket handshake (RFC 6455 §4.1). */
export interface RequestParts {
  readonly method?: string;
  readonly target?: string;
  readonly version?: string;
  /** Replaces the header of that name; undefined leaves it out, a list repeats it. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Follows the headers as it is; its length is announced only by a header. */
  readonly body?: string | Uint8Array;
}

/** Builds the request of a handshake, valid unless something is replaced. */
export function upgradeRequest(parts: RequestParts = {}): Buffer {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...parts.headers,
  };
  return httpRequest({ target: '/ws', ...parts, headers });
}

/** Builds an ordinary request. */
export function httpRequest(parts: RequestParts = {}): Buffer {
  const { method = 'GET', target = '/', version = '1.1', headers = {}, body = '' } = parts;
  const lines = Object.entries({ Host: '127.0.0.1', ...headers }).flatMap(([name, value]) =>
    (value === undefined ? [] : [value].flat()).map((one) => `${name}: ${one}\r\n`),
  );
  const head = `${method} ${target} HTTP/${version}\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body as string)]);
}

/** What a parser must know besides the bytes. */
export interface AnswerContext {
  /** True when it answers a HEAD. */
  readonly hasNoBody?: boolean;
  /** True when nothing more will come: an answer without a length ends there (RFC 9112 §6.3). */
  readonly isOver?: boolean;
}

/** An answer of the server. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Reads one answer from the start of some bytes.
 *
 * @returns the answer and how many bytes it took; undefined while it is not complete
 * @throws Error when the bytes are not an HTTP answer
 */
export function parseAnswer(bytes: Buffer, context: AnswerContext = {}): [HttpAnswer, number] | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) {
    requireStart(bytes);
    return undefined;
  }
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const found = /^HTTP\/1\.1 ([1-5]\d\d) [^\r\n]*$/.exec(first);
  if (!found) throw new Error(`This is no status line: ${JSON.stringify(first)}`);
  const status = Number(found[1]);
  const headers = Object.fromEntries(lines.map(parseHeader));
  const isBare = context.hasNoBody || status < 200 || status === 204 || status === 304;
  const body = isBare ? ([Buffer.alloc(0), 0] as const) : parseBody(bytes.subarray(end + 4), headers, context);
  return body && [{ status, headers, body: body[0].toString() }, end + 4 + body[1]];
}

function requireStart(bytes: Buffer): void {
  const expected = 'HTTP/1.1 '.slice(0, bytes.length);
  if (bytes.toString('latin1', 0, expected.length) === expected) return;
  throw new Error(`This is no HTTP answer: ${JSON.stringify(bytes.toString('latin1', 0, 80))}`);
}

function parseHeader(line: string): [string, string] {
  const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/.exec(line);
  if (!found) throw new Error(`This is no header: ${JSON.stringify(line)}`);
  return [found[1]!.toLowerCase(), found[2]!];
}

function parseBody(
  bytes: Buffer,
  headers: Record<string, string>,
  { isOver }: AnswerContext,
): [Buffer, number] | undefined {
  if (headers['transfer-encoding'] === 'chunked') return parseChunks(bytes);
  if (headers['content-length'] === undefined && headers['connection'] === 'close') {
    return isOver ? [bytes, bytes.length] : undefined;
  }
  const length = Number(headers['content-length']);
  if (!Number.isInteger(length)) throw new Error(`The answer does not tell its length: ${JSON.stringify(headers)}`);
  return bytes.length < length ? undefined : [bytes.subarray(0, length), length];
}

function parseChunks(bytes: Buffer): [Buffer, number] | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = parseInt(bytes.toString('latin1', at, line), 16);
    if (Number.isNaN(size)) throw new Error('This is no chunk size');
    const next = line + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return [Buffer.concat(chunks), next];
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
