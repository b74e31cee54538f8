import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { jest } from '@jest/globals';
import { HandshakeError } from '../errors.js';
import { discardBody, lingerAndClose, writeRefusal } from './refusal-writer.js';

const LINGER_MS = 2000;

/** The raw socket of an upgrade; the client's end is `push(null)`. */
class FakeWire extends Duplex {
  written = '';

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }
}

let wire: FakeWire;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  wire = new FakeWire({ allowHalfOpen: true });
});

afterEach(() => {
  wire.destroy();
  jest.useRealTimers();
});

function refuse(refusal: HandshakeError, method = 'GET', headers: string[] = []): string[] {
  writeRefusal({ method } as IncomingMessage, wire, refusal, headers);
  return wire.written.split('\r\n');
}

/** Lets the events that streams fire in `nextTick` happen. */
async function ticks(): Promise<void> {
  for (let tick = 0; tick < 10; tick++) await new Promise<void>((resolve) => process.nextTick(resolve));
}

it('writes a complete response with a JSON body', () => {
  expect(refuse(new HandshakeError(403, { message: 'Nö' }, { 'X-Why': 'rules' }), 'GET', ['Vary: Origin'])).toEqual([
    'HTTP/1.1 403 Forbidden',
    'Vary: Origin',
    'Content-Type: application/json; charset=utf-8',
    'X-Why: rules',
    'Connection: close',
    'Content-Length: 17',
    '',
    Buffer.from('{"message":"Nö"}').toString('latin1'),
  ]);
});

it('writes a text body as text/plain', () => {
  const lines = refuse(new HandshakeError(401, 'Log in first'));
  expect(lines).toContain('Content-Type: text/plain; charset=utf-8');
  expect(lines.at(-1)).toBe('Log in first');
});

it('writes the length of the body to a HEAD, and no body', () => {
  const lines = refuse(new HandshakeError(401, 'Log in first'), 'HEAD');
  expect(lines).toContain('Content-Length: 12');
  expect(lines.at(-1)).toBe('');
});

it.each([0, 101, 199, 600, 403.5, NaN])('writes 500 instead of the status %p', (status) => {
  expect(refuse(new HandshakeError(status))[0]).toBe('HTTP/1.1 500 Internal Server Error');
});

it.each([[{ 'X-Why': 'a\r\nSet-Cookie: forged=1' }], [{ 'X-Why\r\n': 'a' }]])(
  'refuses to write the header %j',
  (headers) => {
    expect(() => refuse(new HandshakeError(403, '', headers))).toThrow(expect.objectContaining({ name: 'TypeError' }));
    expect(wire.written).toBe('');
  },
);

it('writes nothing to a client that has gone', () => {
  wire.destroy();
  expect(refuse(new HandshakeError(403))).toEqual(['']);
});

it('reads and discards what the client still sends until the client closes', async () => {
  lingerAndClose(wire);
  wire.push('more');
  await ticks();
  expect([wire.readableLength, wire.destroyed]).toEqual([0, false]);
  wire.push(null);
  await ticks();
  expect([wire.destroyed, jest.getTimerCount()]).toEqual([true, 0]);
});

it('cuts a client that does not close in time', async () => {
  lingerAndClose(wire);
  jest.advanceTimersByTime(LINGER_MS - 1);
  expect(wire.destroyed).toBe(false);
  jest.advanceTimersByTime(1);
  expect(wire.destroyed).toBe(true);
  await ticks();
  expect(jest.getTimerCount()).toBe(0);
});

it('cuts a client that does not stop sending the body of a refused request', () => {
  const destroy = jest.fn();
  const body = Object.assign(new FakeWire(), { socket: { destroy } });
  discardBody(body as unknown as IncomingMessage);
  expect(body.readableFlowing).toBe(true);
  jest.advanceTimersByTime(LINGER_MS);
  expect(destroy).toHaveBeenCalledTimes(1);
});

it('does not cut a client whose body ends in time', async () => {
  const destroy = jest.fn();
  const body = Object.assign(new FakeWire(), { socket: { destroy } });
  discardBody(body as unknown as IncomingMessage);
  body.destroy();
  await ticks();
  expect([destroy.mock.calls.length, jest.getTimerCount()]).toEqual([0, 0]);
});
