import { IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex, finished, PassThrough } from 'node:stream';
import { jest } from '@jest/globals';
import { UpgradeResponse } from './upgrade-response.js';

/** The raw socket of an upgrade. */
class FakeWire extends Duplex {
  written = '';

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk.toString('latin1');
    done();
  }
}

let wire: FakeWire;
let upgrade: UpgradeResponse;

beforeEach(() => {
  wire = new FakeWire();
  const request = new IncomingMessage(wire as unknown as Socket);
  Object.assign(request, { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 });
  upgrade = new UpgradeResponse(request, wire);
});

afterEach(() => {
  wire.destroy();
});

it('sends what the application answers to the client', async () => {
  upgrade.response.writeHead(302, { Location: '/login', 'Content-Length': 12 }).end('Log in first');
  await upgrade.ended;
  expect(wire.written).toMatch(/^HTTP\/1\.1 302 Found\r\n/);
  expect(wire.written).toContain('\r\nLocation: /login\r\n');
  expect(wire.written).toMatch(/\r\n\r\nLog in first$/);
  expect([upgrade.isAnswered, upgrade.hasStarted, upgrade.isAdmitted, upgrade.isCut]).toEqual([
    ...[true, true, false, false],
  ]);
});

it('sends no byte of the response of an admitted request', async () => {
  upgrade.admit();
  await upgrade.ended;
  expect([wire.written, upgrade.isAdmitted, upgrade.hasStarted, wire.destroyed]).toEqual(['', true, false, false]);
});

const noticed: [string, (response: ServerResponse, notice: () => void) => unknown][] = [
  ['a listener for its finish', (response, notice) => response.on('finish', notice)],
  ['a listener for its close', (response, notice) => response.on('close', notice)],
  ['a listener for its prefinish', (response, notice) => response.on('prefinish', notice)],
  ['stream.finished()', (response, notice) => finished(response, notice)],
  ['an end() of its own', (response, notice) => replace(response, 'end', notice)],
  ['a writeHead() of its own', (response, notice) => replace(response, 'writeHead', notice)],
  ['an emit() of its own', (response, notice) => replace(response, 'emit', notice)],
];

/** Puts a method in place of another one, as middleware does that waits for it. */
function replace(response: ServerResponse, name: 'end' | 'writeHead' | 'emit', notice: () => void): void {
  const method = response[name] as (...args: unknown[]) => never;
  response[name] = function (this: ServerResponse, ...args: unknown[]) {
    notice();
    return Reflect.apply(method, this, args);
  };
}

it.each(noticed)('%s notices that the response of an admitted request ends', async (_what, wait) => {
  const notice = jest.fn();
  wait(upgrade.response, notice);
  upgrade.admit();
  await upgrade.ended;
  await new Promise(setImmediate);
  expect([notice.mock.calls.length > 0, upgrade.isAdmitted, wire.written]).toEqual([true, true, '']);
});

it('middleware that listens for nothing finds the response of an admitted request ended, and can do no harm', async () => {
  upgrade.admit();
  await upgrade.ended;
  const { response } = upgrade;
  expect([response.writableEnded, response.writableFinished, response.statusCode]).toEqual([true, true, 101]);
  response.statusCode = 500;
  expect(() => response.end('late')).not.toThrow();
  response.write('later', () => {});
  upgrade.abandon();
  await new Promise(setImmediate);
  expect([upgrade.isAdmitted, wire.written, wire.destroyed, response.destroyed]).toEqual([true, '', false, true]);
});

it('sends the response after all when a hook turns the 101 into another answer', async () => {
  upgrade.hold();
  upgrade.response.statusCode = 500;
  upgrade.response.end('The session store failed');
  await upgrade.ended;
  expect(wire.written).toMatch(/^HTTP\/1\.1 500 [^]*The session store failed$/);
  expect([upgrade.isAdmitted, upgrade.hasStarted]).toEqual([false, true]);
});

it('does not admit a request that was answered before', async () => {
  upgrade.response.end('done');
  upgrade.admit();
  await upgrade.ended;
  expect(upgrade.isAdmitted).toBe(false);
  expect(wire.written).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
});

it('does not admit a request for which the application has sent a 101 itself', async () => {
  upgrade.response.writeHead(101).flushHeaders();
  upgrade.admit();
  await upgrade.ended;
  expect([upgrade.isAdmitted, upgrade.hasStarted]).toEqual([false, true]);
});

it('keeps the headers of middleware for the 101, but none that describe a body or the connection', () => {
  const { response } = upgrade;
  response.setHeader('Set-Cookie', ['a=1', 'b=2']);
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Content-Type', 'text/html');
  response.setHeader('Connection', 'keep-alive');
  response.setHeader('Sec-WebSocket-Accept', 'forged');
  expect(upgrade.headers()).toEqual(['set-cookie: a=1', 'set-cookie: b=2', 'x-frame-options: DENY']);
});

it('keeps the headers that are passed to writeHead()', () => {
  upgrade.hold();
  upgrade.response.writeHead(101, { 'X-Rate-Limit': '9' });
  expect(upgrade.headers()).toEqual(['x-rate-limit: 9']);
});

it('reports no headers and no answer as long as nothing asks for the response', () => {
  expect([upgrade.headers(), upgrade.isAnswered, upgrade.hasStarted]).toEqual([[], false, false]);
});

it('ends without an answer when the client has gone', async () => {
  const { ended } = upgrade;
  wire.destroy();
  await ended;
  expect([upgrade.isCut, upgrade.isAdmitted]).toEqual([true, false]);
});

it('discards what the application answers after the request is abandoned', async () => {
  const { response, ended } = upgrade;
  upgrade.abandon();
  response.end('too late');
  await ended;
  expect([wire.written, wire.destroyed]).toEqual(['', false]);
});

describe.each<[string, () => void, string]>([
  ['a 101', () => upgrade.admit(), ''],
  ['an answer', () => void upgrade.response.end('no'), 'no'],
])('a response that has ended as %s', (_what, end, written) => {
  const errors: Error[] = [];
  beforeEach(async () => {
    errors.length = 0;
    upgrade.response.on('error', (error) => errors.push(error));
    end();
    await upgrade.ended;
    await turn();
  });

  it.each<[string, () => unknown]>([
    ['write()', () => upgrade.response.write('late')],
    ['end()', () => upgrade.response.end('late')],
    ['pipe()', () => new PassThrough().end('late').pipe(upgrade.response)],
    ['flushHeaders()', () => upgrade.response.flushHeaders()],
    ['destroy()', () => upgrade.response.destroy()],
  ])('ignores %s, as the response to a plain request does', async (_name, act) => {
    act();
    await turn();
    expect(errors).toEqual([]);
    expect(wire.written.endsWith(`\r\n\r\n${written}`) || wire.written === written).toBe(true);
  });

  it.each<[string, () => unknown]>([
    ['setHeader()', () => upgrade.response.setHeader('X-Late', '1')],
    ['writeHead()', () => upgrade.response.writeHead(200)],
    ['writeHead() with headers', () => upgrade.response.writeHead(200, { 'X-Late': '1' })],
  ])('throws ERR_HTTP_HEADERS_SENT in %s, as the response to a plain request does', (_name, act) => {
    expect(act).toThrow(expect.objectContaining({ code: 'ERR_HTTP_HEADERS_SENT' }) as Error);
  });

  it('has closed for whoever asks', async () => {
    expect([upgrade.response.destroyed, upgrade.response.closed, upgrade.response.writableFinished]).toEqual([
      ...[true, true, true],
    ]);
    expect(await new Promise((done) => finished(upgrade.response, done))).toBeUndefined();
  });
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
