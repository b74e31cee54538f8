/** Answers an upgrade that is refused: a complete HTTP response on the raw stream, flushed before the socket goes. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HandshakeError } from './errors.js';

/** How long a client may take to read the answer and go, in milliseconds. */
const LINGER_MS = 2000;

/**
 * Writes the answer and closes. What the client still sends is read and thrown away meanwhile: closing a socket with
 * unread data resets it, and the client would lose the answer.
 *
 * @param stream the raw socket of the upgrade; it MUST have an `error` listener
 */
export function writeRefusal(stream: Duplex, { status, body, headers }: HandshakeError): void {
  if (stream.destroyed || !stream.writable) {
    stream.destroy();
    return;
  }
  const isText = typeof body === 'string';
  const content = Buffer.from(isText ? body : JSON.stringify(body));
  const type = isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  const lines = Object.entries({
    'Content-Type': type,
    ...headers,
    Connection: 'close',
    'Content-Length': String(content.length),
  }).map(([name, value]) => `${name}: ${value}`);
  stream.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines.join('\r\n')}\r\n\r\n`);
  stream.end(content);
  stream.resume();
  const timer = setTimeout(() => stream.destroy(), LINGER_MS);
  stream.once('end', () => stream.destroy());
  stream.once('close', () => clearTimeout(timer));
}
