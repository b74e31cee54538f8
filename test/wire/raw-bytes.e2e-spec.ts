/**
 * RFC 6455 on a bare TCP socket: bytes that a client library would never send, and details that it would never show. An
 * uncaught exception fails the running test, because jest listens for it on the real process.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  type CloseInfo,
  type CloseInitiator,
  Connection,
  HandshakeRequest,
  Message,
  type RealtimeOptions,
  RealtimeModule,
} from 'nestjs-realtime';
import { createTestApp, type TestApp, type TestClient } from 'nestjs-realtime/testing';
import { until, untilConnections } from '../support/process-guard.js';
import { randomBytes } from '../support/random.js';
import {
  closeFrame,
  closePayload,
  frame,
  Opcode,
  RawSocket,
  type RequestParts,
  shortestForm,
} from '../support/clients/raw-socket.js';

jest.setTimeout(30_000);

const LIMIT = 70_000;
const FRAGMENTS = 4;

/** The calls of the hooks for one connection. */
class Entry {
  readonly messages: (string | Buffer)[] = [];
  readonly closes: CloseInfo[] = [];
  opens = 0;
  hasOpened = false;
  connection?: Connection;
  release: () => void = () => {};
  readonly released = new Promise<void>((resolve) => (this.release = resolve));
}

/** All connections by the `n` of their query. */
class Book {
  readonly entries = new Map<string, Entry>();

  of(target: string): Entry {
    const key = new URLSearchParams(target.slice(target.indexOf('?'))).get('n')!;
    const entry = this.entries.get(key) ?? new Entry();
    this.entries.set(key, entry);
    return entry;
  }
}

/** Answers every message with itself. */
@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  constructor(readonly book: Book) {}

  onOpen(connection: Connection, _request: HandshakeRequest): void | Promise<void> {
    const entry = this.book.of(connection.url);
    entry.opens++;
    entry.hasOpened = true;
    entry.connection = connection;
  }

  onMessage(connection: Connection, message: Message) {
    this.book.of(connection.url).messages.push(message.isBinary ? message.bytes() : message.text());
    connection.send(message.isBinary ? message.bytes() : message.text());
  }

  onClose(connection: Connection, close: CloseInfo) {
    this.book.of(connection.url).closes.push(close);
  }
}

/** As EchoGateway, but `onOpen` is pending until the test releases it. */
@WebSocketGateway({ path: '/held' })
class HeldGateway extends EchoGateway {
  constructor(book: Book) {
    super(book);
  }

  override async onOpen(connection: Connection) {
    const entry = this.book.of(connection.url);
    entry.opens++;
    entry.connection = connection;
    await entry.released;
    entry.hasOpened = true;
  }
}

let app: TestApp;
let book: Book;
let server: Server;
let port: number;
let bystander: TestClient;
let attackers = 0;
const clients: RawSocket[] = [];

async function start(options: RealtimeOptions = {}): Promise<void> {
  // The rates of a client are bounded elsewhere: here many messages share one packet
  const rates = { maxMessageRate: 0, maxByteRate: 0, maxControlRate: 0 };
  const bounds = { maxMessageBytes: LIMIT, maxFragments: FRAGMENTS, closeTimeout: 0.3 };
  const moduleRef = await Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false, ...rates, ...bounds, ...options })],
    providers: [EchoGateway, HeldGateway, Book],
  }).compile();
  app = await createTestApp(moduleRef);
  book = app.app.get(Book);
  server = app.app.getHttpServer() as Server;
  port = (server.address() as AddressInfo).port;
  bystander = await app.connect('/ws?n=bystander');
}

/** Expects the bystander to be served, nobody else to be left, and the counters to agree with the calls of the hooks. */
async function expectCalm(): Promise<void> {
  // A test that failed leaves its client behind
  for (const client of clients.splice(0)) client.destroy();
  const word = randomBytes(8).toString('hex');
  bystander.send(word);
  expect(await bystander.next()).toBe(word);
  await untilConnections(server, 1);
  const others = [...book.entries].filter(([key]) => key !== 'bystander').map(([, entry]) => entry);
  await until(
    'every onClose',
    () => others.filter(({ closes }) => closes.length === 0).length,
    (left) => left === 0,
  );
  expect(others.every(({ opens, closes }) => opens === 1 && closes.length === 1)).toBe(true);
  const closed = { client: 0, server: 0, heartbeat: 0, limit: 0, shutdown: 0, error: 0 };
  for (const { closes } of others) closed[closes[0]!.initiator]++;
  expect(await app.server.stats()).toMatchObject({
    current: 1,
    accepted: book.entries.size,
    refused: 0,
    hookErrors: 0,
    closed,
  });
}

async function stop(): Promise<void> {
  await app.close();
  for (const { closes } of book.entries.values()) expect(closes).toHaveLength(1);
}

interface Attack {
  readonly path?: string;
  /** Bytes in the packet of the handshake. */
  readonly first?: Buffer;
  readonly headers?: RequestParts['headers'];
  readonly staysOpen?: boolean;
}

async function attack({ path = '/ws', first, headers, staysOpen }: Attack = {}): Promise<{
  raw: RawSocket;
  entry: Entry;
}> {
  const target = `${path}?n=${++attackers}`;
  const raw = await RawSocket.upgraded(port, { target, headers }, first, { staysOpen });
  clients.push(raw);
  return { raw, entry: book.of(target) };
}

async function closeOf(entry: Entry): Promise<CloseInfo> {
  await until(
    'onClose',
    () => entry.closes.length,
    (count) => count > 0,
  );
  return entry.closes[0]!;
}

/** jest compares long buffers byte by byte, which takes a second each. */
function expectBytes(actual: string | Buffer, expected: Buffer): void {
  expect([actual.length, expected.equals(actual as Buffer)]).toEqual([expected.length, true]);
}

/** Ends a connection as a polite client does. */
async function leave(raw: RawSocket): Promise<void> {
  raw.send(closeFrame(1000));
  expect(await raw.closeFrame()).toEqual({ code: 1000, reason: '' });
  expect(await raw.ended()).toHaveLength(0);
}

describe('bytes that follow the rules', () => {
  beforeAll(() => start());
  afterEach(expectCalm);
  afterAll(stop);

  const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, LIMIT];

  it.each(LENGTHS)('carries a text of %i bytes both ways in the shortest form', async (length) => {
    const { raw, entry } = await attack();
    const payload = 'x'.repeat(length);
    raw.send(frame({ payload }));
    const expected = { fin: true, rsv: 0, opcode: Opcode.TEXT, isMasked: false, lengthForm: shortestForm(length) };
    const { payload: echo, ...header } = await raw.frame();
    expect(header).toEqual(expected);
    expectBytes(echo, Buffer.from(payload));
    expect(entry.messages).toEqual([payload]);
    await leave(raw);
  });

  it.each(LENGTHS)('carries %i binary bytes both ways in the shortest form', async (length) => {
    const { raw, entry } = await attack();
    const payload = randomBytes(length);
    raw.send(frame({ opcode: Opcode.BINARY, payload }));
    const expected = { fin: true, rsv: 0, opcode: Opcode.BINARY, isMasked: false, lengthForm: shortestForm(length) };
    const { payload: echo, ...header } = await raw.frame();
    expect(header).toEqual(expected);
    expectBytes(echo, payload);
    expect(entry.messages).toHaveLength(1);
    expectBytes(entry.messages[0]!, payload);
    await leave(raw);
  });

  it('counts the length of a text in bytes, not in characters', async () => {
    const { raw } = await attack();
    raw.send(frame({ payload: '\u00e9'.repeat(63) }));
    expect(await raw.frame()).toMatchObject({ lengthForm: 16, payload: Buffer.from('\u00e9'.repeat(63)) });
    await leave(raw);
  });

  it('counts messages and bytes of both directions', async () => {
    const before = await app.server.stats();
    const { raw } = await attack();
    raw.send(frame({ payload: 'four' }), frame({ opcode: Opcode.BINARY, payload: randomBytes(300) }));
    await raw.frame();
    await raw.frame();
    await leave(raw);
    const after = await app.server.stats();
    expect(after.messagesIn - before.messagesIn).toBe(2);
    expect(after.bytesIn - before.bytesIn).toBe(304);
    expect(after.messagesOut - before.messagesOut).toBe(2);
    expect(after.bytesOut - before.bytesOut).toBe(304);
  });

  it('keeps the order of many messages that share a packet', async () => {
    const { raw, entry } = await attack();
    const words = Array.from({ length: 500 }, (_, index) => `message ${index}`);
    raw.send(...words.map((payload) => frame({ payload })));
    for (const word of words) expect((await raw.frame()).payload.toString()).toBe(word);
    expect(entry.messages).toEqual(words);
    await leave(raw);
  });

  it('accepts a frame that arrives byte by byte', async () => {
    const { raw, entry } = await attack();
    for (const byte of frame({ payload: 'one at a time, gr\u00fc\u00dfe' })) {
      raw.send(Buffer.from([byte]));
      await turn();
    }
    expect((await raw.frame()).payload.toString()).toBe('one at a time, gr\u00fc\u00dfe');
    expect(entry.messages).toHaveLength(1);
    await leave(raw);
  });

  it('joins fragments, although a character is split between two of them', async () => {
    const { raw, entry } = await attack();
    const bytes = Buffer.from('\u20ac\u20ac');
    raw.send(frame({ fin: false, payload: bytes.subarray(0, 1) }));
    raw.send(frame({ opcode: Opcode.CONTINUATION, fin: false, payload: bytes.subarray(1, 5) }));
    raw.send(frame({ opcode: Opcode.CONTINUATION, payload: bytes.subarray(5) }));
    expect(await raw.frame()).toMatchObject({ fin: true, opcode: Opcode.TEXT, payload: bytes });
    expect(entry.messages).toEqual(['\u20ac\u20ac']);
    await leave(raw);
  });

  it('joins empty fragments to an empty message', async () => {
    const { raw, entry } = await attack();
    raw.send(frame({ opcode: Opcode.BINARY, fin: false }), frame({ opcode: Opcode.CONTINUATION }));
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.BINARY, payload: Buffer.alloc(0) });
    expect(entry.messages).toEqual([Buffer.alloc(0)]);
    await leave(raw);
  });

  it('accepts as many fragments as the setting allows', async () => {
    const { raw, entry } = await attack();
    raw.send(...fragments(FRAGMENTS, 'ab'));
    expect((await raw.frame()).payload.toString()).toBe('ab'.repeat(FRAGMENTS));
    expect(entry.messages).toHaveLength(1);
    await leave(raw);
  });

  it('answers pings between fragments at once, each with its own payload', async () => {
    const { raw, entry } = await attack();
    const long = randomBytes(125);
    raw.send(frame({ fin: false, payload: 'Hel' }), frame({ opcode: Opcode.PING, payload: 'a' }));
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.PONG, isMasked: false, payload: Buffer.from('a') });
    raw.send(frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'lo' }));
    raw.send(frame({ opcode: Opcode.PING, payload: long }), frame({ opcode: Opcode.PING }));
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.PONG, lengthForm: 7, payload: long });
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.PONG, payload: Buffer.alloc(0) });
    expect(entry.messages).toEqual([]);
    raw.send(frame({ opcode: Opcode.CONTINUATION, payload: '!' }));
    expect((await raw.frame()).payload.toString()).toBe('Hello!');
    await leave(raw);
  });

  it('answers a ping while onOpen is pending', async () => {
    const { raw, entry } = await attack({ path: '/held' });
    raw.send(frame({ opcode: Opcode.PING, payload: 'there?' }));
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.PONG, payload: Buffer.from('there?') });
    expect(entry.hasOpened).toBe(false);
    entry.release();
    await leave(raw);
  });

  it('ignores an unsolicited pong', async () => {
    const { raw } = await attack();
    raw.send(frame({ opcode: Opcode.PONG, payload: 'unasked' }), frame({ payload: 'next' }));
    expect((await raw.frame()).payload.toString()).toBe('next');
    await leave(raw);
  });

  it('handles frames that share the packet of the handshake', async () => {
    const first = Buffer.concat([frame({ payload: 'first' }), frame({ payload: 'second' })]);
    const { raw, entry } = await attack({ first });
    expect((await raw.frame()).payload.toString()).toBe('first');
    expect((await raw.frame()).payload.toString()).toBe('second');
    expect(entry.messages).toEqual(['first', 'second']);
    await leave(raw);
  });

  it('keeps frames from the packet of the handshake until onOpen has settled', async () => {
    const { raw, entry } = await attack({ path: '/held', first: frame({ payload: 'early' }) });
    raw.send(frame({ payload: 'later' }), frame({ opcode: Opcode.PING }));
    // The pong shows that all three frames were read
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.PONG });
    expect(entry.messages).toEqual([]);
    entry.release();
    expect((await raw.frame()).payload.toString()).toBe('early');
    expect((await raw.frame()).payload.toString()).toBe('later');
    await leave(raw);
  });

  it('keeps 5,000 messages that arrive while onOpen is pending', async () => {
    const { pauses } = await app.server.stats();
    const { raw, entry } = await attack({ path: '/held' });
    const words = Array.from({ length: 5000 }, (_, index) => `message ${index}`);
    raw.send(...words.map((payload) => frame({ payload })));
    await until(
      'a pause',
      async () => (await app.server.stats()).pauses,
      (now) => now > pauses,
    );
    entry.release();
    for (const word of words) expect((await raw.frame()).payload.toString()).toBe(word);
    expect(entry.messages).toEqual(words);
    await leave(raw);
  });
});

describe('closing', () => {
  beforeAll(() => start());
  afterEach(expectCalm);
  afterAll(stop);

  it.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    'echoes the close code %i',
    async (code) => {
      const { raw, entry } = await attack();
      raw.send(closeFrame(code, 'bye \u20ac'));
      expect(await raw.frame()).toMatchObject({ isMasked: false, payload: closePayload(code, 'bye \u20ac') });
      expect(await raw.ended()).toHaveLength(0);
      expect(await closeOf(entry)).toEqual({ code, reason: 'bye \u20ac', wasClean: true, initiator: 'client' });
    },
  );

  it('accepts a close reason of 123 bytes', async () => {
    const { raw, entry } = await attack();
    raw.send(closeFrame(1000, 'r'.repeat(123)));
    expect(await raw.closeFrame()).toEqual({ code: 1000, reason: 'r'.repeat(123) });
    expect((await closeOf(entry)).reason).toBe('r'.repeat(123));
  });

  it('reports 1005 for a close frame without a code, and answers with one without', async () => {
    const { raw, entry } = await attack();
    raw.send(closeFrame());
    expect(await raw.frame()).toMatchObject({ opcode: Opcode.CLOSE, payload: Buffer.alloc(0) });
    expect(await closeOf(entry)).toEqual({ code: 1005, reason: '', wasClean: true, initiator: 'client' });
  });

  it('handles a close frame that shares the packet of the handshake', async () => {
    const first = Buffer.concat([frame({ payload: 'hi' }), closeFrame(4321, 'in a hurry')]);
    const { raw, entry } = await attack({ first });
    expect((await raw.frame()).payload.toString()).toBe('hi');
    expect(await raw.closeFrame()).toEqual({ code: 4321, reason: 'in a hurry' });
    expect(await closeOf(entry)).toMatchObject({ code: 4321, initiator: 'client' });
    expect(entry.messages).toEqual(['hi']);
  });

  it('handles messages before a close frame, and none after it', async () => {
    const { raw, entry } = await attack();
    raw.send(frame({ payload: 'before' }), closeFrame(1000), frame({ payload: 'after' }));
    expect((await raw.frame()).payload.toString()).toBe('before');
    expect(await raw.closeFrame()).toEqual({ code: 1000, reason: '' });
    await closeOf(entry);
    expect(entry.messages).toEqual(['before']);
  });

  it('accepts a close frame between the fragments of a message', async () => {
    const { raw, entry } = await attack();
    raw.send(frame({ fin: false, payload: 'never' }), closeFrame(4000, 'changed my mind'));
    expect(await raw.closeFrame()).toEqual({ code: 4000, reason: 'changed my mind' });
    expect(await closeOf(entry)).toMatchObject({ code: 4000, initiator: 'client', wasClean: true });
    expect(entry.messages).toEqual([]);
  });

  it('runs onClose after onOpen when the client closes while onOpen is pending', async () => {
    const { raw, entry } = await attack({ path: '/held', first: frame({ payload: 'unread' }) });
    raw.send(closeFrame(1000, 'too slow'));
    expect(await raw.closeFrame()).toEqual({ code: 1000, reason: 'too slow' });
    await raw.ended();
    expect(entry).toMatchObject({ opens: 1, hasOpened: false, closes: [], messages: [] });
    entry.release();
    expect(await closeOf(entry)).toMatchObject({ code: 1000, reason: 'too slow', initiator: 'client' });
    // It was sent before the close frame
    expect(entry.messages).toEqual(['unread']);
  });

  it.each([
    ['a reset', (raw: RawSocket) => raw.reset()],
    ['a FIN without a close frame', (raw: RawSocket) => raw.finish()],
    ['a FIN in the middle of a header', (raw: RawSocket) => (raw.send(Buffer.from([0x81])), raw.finish())],
    ['a reset in the middle of a payload', (raw: RawSocket) => (raw.send(frame({ declaredLength: 50 })), raw.reset())],
  ])('reports 1006 after %s', async (_name, vanish) => {
    const { raw, entry } = await attack();
    vanish(raw);
    expect(await closeOf(entry)).toEqual({ code: 1006, reason: '', wasClean: false, initiator: 'client' });
  });

  it('reports 1006 after onOpen has settled when the client is reset meanwhile', async () => {
    const { raw, entry } = await attack({ path: '/held' });
    raw.reset();
    await untilConnections(server, 1);
    expect(entry).toMatchObject({ hasOpened: false, closes: [] });
    entry.release();
    expect(await closeOf(entry)).toMatchObject({ code: 1006, initiator: 'client' });
  });

  it('reports the close code of the server, whatever the client answers', async () => {
    const { raw, entry } = await attack();
    entry.connection!.close(4002, 'enough');
    expect(await raw.closeFrame()).toEqual({ code: 4002, reason: 'enough' });
    raw.send(closeFrame(1000, 'my own idea'));
    await raw.ended();
    expect(await closeOf(entry)).toEqual({ code: 4002, reason: 'enough', wasClean: true, initiator: 'server' });
  });

  it('cuts a client that never answers the close frame', async () => {
    const { raw, entry } = await attack({ staysOpen: true });
    entry.connection!.close(4002, 'enough');
    expect(await raw.closeFrame()).toEqual({ code: 4002, reason: 'enough' });
    expect(await closeOf(entry)).toEqual({ code: 4002, reason: 'enough', wasClean: false, initiator: 'server' });
    await untilConnections(server, 1);
  });

  it('cuts a client that stays after it broke a rule', async () => {
    const { raw, entry } = await attack({ first: frame({ isMasked: false }), staysOpen: true });
    expect(await raw.closeFrame()).toMatchObject({ code: 1002 });
    expect(await closeOf(entry)).toMatchObject({ code: 1002, wasClean: false, initiator: 'error' });
    await untilConnections(server, 1);
  });
});

type Offence = [name: string, bytes: Buffer, code: number, initiator: CloseInitiator];

const broken = (name: string, ...bytes: Buffer[]): Offence => [name, Buffer.concat(bytes), 1002, 'error'];
const garbled = (name: string, ...bytes: Buffer[]): Offence => [name, Buffer.concat(bytes), 1007, 'error'];
const tooBig = (name: string, ...bytes: Buffer[]): Offence => [name, Buffer.concat(bytes), 1009, 'limit'];
const tooMany = (name: string, ...bytes: Buffer[]): Offence => [name, Buffer.concat(bytes), 1008, 'limit'];

function fragments(count: number, payload: string): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const opcode = index === 0 ? Opcode.TEXT : Opcode.CONTINUATION;
    return frame({ opcode, fin: index === count - 1, payload });
  });
}

const OFFENCES: Offence[] = [
  broken('an unmasked text', frame({ isMasked: false, payload: 'hi' })),
  broken('an unmasked ping', frame({ opcode: Opcode.PING, isMasked: false })),
  broken('an unmasked close frame', frame({ opcode: Opcode.CLOSE, isMasked: false, payload: closePayload(1000) })),
  ...[4, 2, 1, 7].map((rsv) => broken(`reserved bits ${rsv.toString(2).padStart(3, '0')}`, frame({ rsv }))),
  broken('reserved bits on a ping', frame({ opcode: Opcode.PING, rsv: 4 })),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => broken(`the reserved opcode ${opcode}`, frame({ opcode }))),
  broken('a continuation of nothing', frame({ opcode: Opcode.CONTINUATION, payload: 'what?' })),
  broken('a text within a fragmented text', frame({ fin: false, payload: 'a' }), frame({ payload: 'b' })),
  broken('binary within a fragmented text', frame({ fin: false }), frame({ opcode: Opcode.BINARY })),
  broken('a fragmented ping', frame({ opcode: Opcode.PING, fin: false })),
  broken('a fragmented close frame', frame({ opcode: Opcode.CLOSE, fin: false, payload: closePayload(1000) })),
  ...[Opcode.PING, Opcode.PONG, Opcode.CLOSE].flatMap((opcode) => [
    broken(`a control frame ${opcode} of 126 bytes`, frame({ opcode, payload: 'x'.repeat(126) })),
    broken(`a control frame ${opcode} of 65536 bytes`, frame({ opcode, payload: 'x'.repeat(65_536) })),
  ]),
  broken('a close frame of one byte', frame({ opcode: Opcode.CLOSE, payload: '\x03' })),
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535].map((code) =>
    broken(`the close code ${code}`, closeFrame(code, 'odd')),
  ),
  garbled('a lone continuation byte', frame({ payload: Buffer.from([0x80]) })),
  garbled('an overlong encoding', frame({ payload: Buffer.from([0xc0, 0xaf]) })),
  garbled('a surrogate', frame({ payload: Buffer.from([0xed, 0xa0, 0x80]) })),
  garbled('a character above U+10FFFF', frame({ payload: Buffer.from([0xf4, 0x90, 0x80, 0x80]) })),
  garbled('a text that ends within a character', frame({ payload: Buffer.from([0xe2, 0x82]) })),
  garbled(
    'invalid UTF-8 over two fragments',
    frame({ fin: false, payload: Buffer.from([0xe2]) }),
    frame({ opcode: Opcode.CONTINUATION, payload: Buffer.from([0x28]) }),
  ),
  garbled('invalid UTF-8 in a close reason', closeFrame(1000, Buffer.from([0xc3, 0x28]))),
  tooBig('a message one byte too long', frame({ payload: 'x'.repeat(LIMIT + 1) })),
  tooBig('a header that announces one byte too many', frame({ declaredLength: LIMIT + 1 })),
  tooBig('a header that announces 2^53 bytes', frame({ declaredLength: 2n ** 53n })),
  tooBig('a header that announces 2^64 - 1 bytes', frame({ declaredLength: 2n ** 64n - 1n })),
  tooBig(
    'fragments that are too long together',
    frame({ fin: false, payload: 'x'.repeat(LIMIT) }),
    frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'x' }),
  ),
  tooMany('one fragment too many', ...fragments(FRAGMENTS + 1, 'x')),
  tooMany('one empty fragment too many', ...fragments(FRAGMENTS + 1, '')),
];

const MOMENTS: [name: string, path: string, isFirst: boolean][] = [
  ['on an open connection', '/ws', false],
  ['in the packet of the handshake', '/ws', true],
  ['while onOpen is pending', '/held', false],
  ['in the packet of the handshake, while onOpen is pending', '/held', true],
];

describe.each(MOMENTS)('bytes that break a rule %s', (_moment, path, isFirst) => {
  beforeAll(() => start());
  afterEach(expectCalm);
  afterAll(stop);

  it.each(OFFENCES)('closes a connection on %s', async (_name, bytes, code, initiator) => {
    const { raw, entry } = await attack({ path, first: isFirst ? bytes : undefined });
    if (!isFirst) raw.send(bytes);
    const close = await raw.closeFrame();
    expect(close.code).toBe(code);
    expect(close.reason).not.toBe('');
    if (code === 1009) expect(close.reason).toContain(String(LIMIT));
    if (code === 1008) expect(close.reason).toContain(`${FRAGMENTS} fragments`);
    if (path === '/held') expect(entry.closes).toEqual([]);
    entry.release();
    expect(await closeOf(entry)).toMatchObject({ ...close, initiator });
    expect(entry.messages).toEqual([]);
    expect(await raw.ended()).toHaveLength(0);
  });
});

describe('bytes that break a bound of their own settings', () => {
  afterEach(expectCalm);
  afterEach(stop);

  it('closes with 1008 on a frame that is spread over too many packets', async () => {
    await start({ maxBufferedChunks: 16 });
    const { raw, entry } = await attack();
    const bytes = frame({ payload: 'x'.repeat(LIMIT) });
    const closed = raw.closeFrame();
    for (let at = 0; at < bytes.length && !raw.isOver; at++) {
      raw.send(bytes.subarray(at, at + 1));
      await turn();
    }
    const close = await closed;
    expect(close).toEqual({ code: 1008, reason: expect.stringContaining('16 chunks') });
    expect(await closeOf(entry)).toMatchObject({ ...close, initiator: 'limit' });
    await raw.ended();
  });
});

describe('compression', () => {
  const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_no_context_takeover' };
  const deflated = (payload: string) => deflateRawSync(payload, { finishFlush: 2 }).subarray(0, -4);

  beforeAll(() => start({ compression: true }));
  afterEach(expectCalm);
  afterAll(stop);

  it('inflates a compressed message', async () => {
    const { raw, entry } = await attack({ headers });
    raw.send(frame({ rsv: 4, payload: deflated('small again') }));
    await until(
      'the message',
      () => entry.messages.length,
      (count) => count === 1,
    );
    expect(entry.messages).toEqual(['small again']);
    await raw.frame();
    await leave(raw);
  });

  it.each<Offence>([
    tooBig('a message that is too long after inflation', frame({ rsv: 4, payload: deflated('x'.repeat(LIMIT + 1)) })),
    tooBig('a compression bomb', frame({ rsv: 4, payload: deflated('x'.repeat(50_000_000)) })),
    garbled('bytes that cannot be inflated', frame({ rsv: 4, payload: Buffer.alloc(100, 0xff) })),
    garbled('invalid UTF-8 after inflation', frame({ rsv: 4, payload: deflateRawSync(Buffer.from([0x80])) })),
    broken(
      'a continuation that is marked as compressed',
      frame({ rsv: 4, fin: false, payload: deflated('a') }),
      frame({ rsv: 4, opcode: Opcode.CONTINUATION }),
    ),
    broken('a ping that is marked as compressed', frame({ rsv: 4, opcode: Opcode.PING })),
  ])('closes a connection with compression on %s', async (_name, bytes, code, initiator) => {
    const { raw, entry } = await attack({ headers });
    raw.send(bytes);
    const close = await raw.closeFrame();
    expect(close.code).toBe(code);
    if (code === 1009) expect(close.reason).toContain(String(LIMIT));
    expect(await closeOf(entry)).toMatchObject({ ...close, initiator });
    expect(entry.messages).toEqual([]);
    expect(await raw.ended()).toHaveLength(0);
  });
});
