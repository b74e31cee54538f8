import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { answerUpgrade, offersCompression } from './opening-handshake.js';

const NOTHING = Buffer.alloc(0);

/** A request with the key of RFC 6455 §1.3. */
const request = (headers: Readonly<Record<string, string>> = {}) =>
  ({ headers: { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers } }) as unknown as IncomingMessage;

const START =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

it('sends the 101 with the accept of RFC 6455', () => {
  const stream = new PassThrough();
  expect(answerUpgrade(request(), stream, NOTHING, '', [])).toBe(true);
  expect(String(stream.read())).toBe(`${START}\r\n`);
});

it('adds the agreed subprotocol and the header lines of middleware, in the bytes that Node would send', () => {
  const stream = new PassThrough();
  answerUpgrade(request(), stream, NOTHING, 'chat', ['set-cookie: a=b', 'x-name: é']);
  const sent = (stream.read() as Buffer).toString('latin1');
  expect(sent).toBe(`${START}Sec-WebSocket-Protocol: chat\r\nset-cookie: a=b\r\nx-name: é\r\n\r\n`);
});

it('leaves what the client has sent behind its request to be read first', () => {
  const stream = new PassThrough({ read: () => {} });
  stream.write = () => true;
  answerUpgrade(request(), stream, Buffer.from('early'), '', []);
  expect(String(stream.read())).toBe('early');
});

it.each(['readable', 'writable'] as const)('sends nothing to a client whose stream is no longer %s', (half) => {
  const stream = new PassThrough();
  Object.defineProperty(stream, half, { value: false });
  expect(answerUpgrade(request(), stream, NOTHING, '', [])).toBe(false);
  expect([stream.destroyed, stream.read()]).toEqual([true, null]);
});

it.each([
  ['permessage-deflate; client_max_window_bits', true],
  ['x-webkit-deflate-frame', false],
  [undefined, false],
])('finds the offer to compress in %j: %j', (offer, expected) => {
  expect(offersCompression(request(offer ? { 'sec-websocket-extensions': offer } : {}))).toBe(expected);
});
