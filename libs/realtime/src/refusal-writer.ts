/** Answers an upgrade that is refused: a complete HTTP response on the raw stream, flushed before the socket goes. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HandshakeError } from './errors.js';

/** How long a client may take to read the answer and go, in milliseconds. */
const LINGER_MS = 2000;

/**
 * Writes the answer and closes.
 *
 * @param stream the raw socket of the upgrade; it MUST have an `error` listener
 * @param refusal status, body and headers
 * @param headers more header lines, of an application that had set them before it refused
 */
export function writeRefusal(stream: Duplex, refusal: HandshakeError, headers: readonly string[] = []): void {
  const { status, body } = refusal;
  const isText = typeof body === 'string';
  const content = Buffer.from(isText ? body : JSON.stringify(body));
  const own = {
    'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
    ...refusal.headers,
    Connection: 'close',
    'Content-Length': String(content.length),
  };
  const lines = [...headers, ...Object.entries(own).map(([name, value]) => `${name}: ${value}`)];
  if (stream.writable) {
    stream.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines.join('\r\n')}\r\n\r\n`);
    stream.write(content);
  }
  lingerAndClose(stream);
}

/**
 * Ends a stream after what was written to it. What the client still sends is read and thrown away meanwhile: closing a
 * socket with unread data resets it, and the client would lose the answer.
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
