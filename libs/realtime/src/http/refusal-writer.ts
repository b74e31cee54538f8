/** Answers an upgrade that is refused: a complete HTTP response on the raw stream, flushed before the socket closes. */
import { type IncomingMessage, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HandshakeError } from '../errors.js';

/** How long a client may take to read the answer and close, in milliseconds. */
const LINGER_MS = 2000;

/**
 * Writes the answer and closes the stream.
 *
 * @param request the request to answer; a HEAD gets no body (RFC 9110 §9.3.2)
 * @param stream the raw socket of the upgrade; it MUST have an `error` listener
 * @param refusal status, body and headers
 * @param headers more header lines, which the application had set before it refused
 * @throws TypeError for a header of the refusal that HTTP cannot carry
 */
export function writeRefusal(
  request: IncomingMessage,
  stream: Duplex,
  refusal: HandshakeError,
  headers: readonly string[] = [],
): void {
  const { body } = refusal;
  const status = isFinal(refusal.status) ? refusal.status : 500;
  const isText = typeof body === 'string';
  const content = Buffer.from(isText ? body : JSON.stringify(body));
  const own = {
    'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
    ...refusal.headers,
    Connection: 'close',
    'Content-Length': String(content.length),
  };
  validateHeaders(refusal.headers);
  const lines = [...headers, ...Object.entries(own).map(([name, value]) => `${name}: ${value}`)];
  if (stream.writable) {
    const start = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`;
    stream.write([start, ...lines, '', ''].join('\r\n'), 'latin1');
    if (request.method !== 'HEAD') stream.write(content);
  }
  lingerAndClose(stream);
}

/** A 1xx would not be the final answer, and nothing outside 100 to 599 is a status of HTTP. */
function isFinal(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

/** @throws TypeError for a header that could end its line, or that HTTP cannot carry */
export function validateHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
}

/**
 * Ends a stream once everything written to it has left. What the client still sends is read and discarded meanwhile:
 * closing a socket with unread data resets it, and the client would lose the answer.
 */
export function lingerAndClose(stream: Duplex): void {
  if (stream.destroyed || !stream.writable) {
    stream.destroy();
    return;
  }
  stream.end();
  stream.resume();
  const timer = setTimeout(() => stream.destroy(), LINGER_MS);
  stream.once('end', () => stream.destroy());
  stream.once('close', () => clearTimeout(timer));
}

/** Does the same for a request that was refused before its body was read; only a body that does not end is cut. */
export function discardBody(request: IncomingMessage): void {
  if (request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
