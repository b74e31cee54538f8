/**
 * Road IN, step 1: the opening handshake (RFC 6455 §4.2). Its checks are for all WebSockets, its answer is for those without
 * compression; ws answers the others.
 */
import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { refusal } from '../../http/refusals.js';

/** A stream has these methods if it is a network socket. */
type NetworkStream = Duplex & Partial<Pick<Socket, 'setTimeout' | 'setNoDelay'>>;

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';

/**
 * Sends the 101.
 *
 * @param request one that has passed `checkUpgrade`
 * @param head what the client has sent behind its request: it will be the first bytes that are read
 * @param protocol the agreed subprotocol; empty for none
 * @param headers more header lines
 * @returns false when the client has gone
 */
export function answerUpgrade(
  { headers: { 'sec-websocket-key': key } }: IncomingMessage,
  stream: NetworkStream,
  head: Buffer,
  protocol: string,
  headers: readonly string[],
): boolean {
  if (!stream.readable || !stream.writable) {
    stream.destroy();
    return false;
  }
  const lines = [`Sec-WebSocket-Accept: ${hash('sha1', `${key}${GUID}`, 'base64')}`];
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  stream.write(`${SWITCHING}${[...lines, ...headers].join('\r\n')}\r\n\r\n`, 'latin1');
  stream.setTimeout?.(0);
  stream.setNoDelay?.();
  if (head.length > 0) stream.unshift(head);
  return true;
}

/** Returns whether a client offers to compress its messages. */
export function offersCompression({ headers }: IncomingMessage): boolean {
  return headers['sec-websocket-extensions']?.includes('permessage-deflate') ?? false;
}

/** Checks the request as RFC 6455 §4.2.1 demands, and its Host as RFC 9112 §3.2 does. */
export function checkUpgrade({ method, headers, httpVersion }: IncomingMessage): void {
  if (method !== 'GET') throw refusal(405, 'A WebSocket handshake must be a GET request', { Allow: 'GET' });
  if (httpVersion !== '1.1') throw refusal(400, 'A WebSocket handshake needs HTTP/1.1');
  if (headers.host === undefined) throw refusal(400, 'The Host header is missing');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    throw refusal(400, 'A WebSocket handshake must not have a body');
  }
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw refusal(426, 'Send "Upgrade: websocket"', UPGRADE);
  if (headers['sec-websocket-version'] !== '13') {
    throw refusal(426, 'Only WebSocket version 13 is supported', { ...UPGRADE, 'Sec-WebSocket-Version': '13' });
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw refusal(400, 'Sec-WebSocket-Key must be 16 bytes in base64');
  }
  if (!areProtocols(headers['sec-websocket-protocol']))
    throw refusal(400, 'Sec-WebSocket-Protocol must be a list of different names');
}

/** Returns whether the header lists tokens (RFC 9110 §5.6.2), each of them once, as RFC 6455 §4.1 demands. */
function areProtocols(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const UPGRADE = { Upgrade: 'websocket' };
