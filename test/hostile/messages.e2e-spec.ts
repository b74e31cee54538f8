/** Hostile messages: floods, bombs, and names that could be more than data. By raw sockets. */
import { deflateRawSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { HostileApp } from '../support/apps/hostile-app.js';
import { canEncode } from '../support/can-encode.js';
import { until } from '../support/process-guard.js';
import { titled } from '../support/titled.js';
import { frame, Opcode, type RawSocket, type RequestParts } from '../support/clients/raw-socket.js';

jest.setTimeout(60_000);

const MB = 1024 * 1024;
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const text = async (client: RawSocket) => (await client.frame()).payload.toString();

let app: HostileApp;

describe('with the bounds that hold by default', () => {
  beforeAll(async () => {
    // handshakes.e2e-spec.ts tests the rates of handshakes
    app = await HostileApp.start({ MAX_CONNECTION_RATE_PER_ADDRESS: 0 });
  });
  afterAll(() => app.stop());
  beforeEach(() => app.begin());
  afterEach(() => app.expectCalm());

  it('200 clients that send messages in 16,000 fragments of one byte are closed with 1008, and cost next to nothing', async () => {
    const start = (await app.state()).memory.rss;
    const first = frame({ opcode: Opcode.BINARY, fin: false, payload: 'x' });
    const more = frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'x' });
    const flood = Buffer.concat([first, ...times(16_000, () => more)]);
    const clients = await Promise.all(times(200, () => app.open()));
    for (const client of clients) client.send(flood);
    for (const client of clients) {
      expect(await client.closeFrame()).toEqual({ code: 1008, reason: 'more than 128 fragments or 4096 chunks' });
    }
    expect((await app.state()).memory.rss - start).toBeLessThan(50 * MB);
    expect(await app.limits()).toEqual({ fragments: 200 });
  });

  it('empty fragments count like any others', async () => {
    const client = await app.open();
    client.send(frame({ fin: false }), ...times(200, () => frame({ opcode: Opcode.CONTINUATION, fin: false })));
    expect((await client.closeFrame()).code).toBe(1008);
    expect(await app.limits()).toEqual({ fragments: 1 });
  });

  it('accepts a message up to the bound, and closes with 1009 above it with the bound in the reason', async () => {
    const max = MB;
    for (const length of [max - 1, max]) {
      const client = await app.open();
      client.send(frame({ opcode: Opcode.BINARY, payload: Buffer.alloc(length) }));
      expect((await client.frame()).payload).toHaveLength(length);
    }
    const pieces = (length: number) => [
      frame({ opcode: Opcode.BINARY, fin: false, payload: Buffer.alloc(length / 2) }),
      frame({ opcode: Opcode.CONTINUATION, payload: Buffer.alloc(length / 2 + 1) }),
    ];
    const offences = [[frame({ payload: 'x'.repeat(max + 1) })], pieces(max), [frame({ declaredLength: 2n ** 62n })]];
    for (const offence of offences) {
      const client = await app.open();
      client.send(...offence);
      expect(await client.closeFrame()).toEqual({ code: 1009, reason: `message too big: more than ${max} bytes` });
    }
    expect(await app.limits()).toEqual({ messageBytes: 3 });
    await app.until('the lines', () =>
      app.output.includes('reason="message too big: more than 1048576 bytes" by=limit'),
    );
  });

  it('a frame that is announced and never arrives takes no memory', async () => {
    const clients = await Promise.all(times(200, () => app.open()));
    for (const client of clients) client.send(frame({ declaredLength: MB, payload: 'x' }));
    const { memory, stats } = await app.state();
    expect(stats.current).toBe(201);
    expect(memory.external + memory.heapUsed).toBeLessThan(100 * MB);
  });

  it('a client that sends a flood of pings is closed with 4002', async () => {
    const client = await app.open();
    client.send(...times(2000, () => frame({ opcode: Opcode.PING, payload: 'ping' })));
    expect(await client.closeFrame()).toEqual({ code: 4002, reason: 'too many control frames' });
    expect(await app.limits()).toEqual({ controlRate: 1 });
  });

  it('answers as many pings as are allowed', async () => {
    const client = await app.open();
    client.send(...times(40, (index) => frame({ opcode: Opcode.PING, payload: String(index) })));
    for (const index of times(40, (number) => number)) expect(await text(client)).toBe(String(index));
    expect(await app.limits()).toEqual({});
  });

  it('5,000 messages at once are handled up to the rate, and the client gets an error frame', async () => {
    const client = await app.open();
    const start = performance.now();
    client.send(...times(5000, () => frame({ payload: 'hush' })));
    expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception', data: { code: 'rate_limit' } });
    client.send(frame({ opcode: Opcode.PING, payload: 'all read' }));
    await until(
      'the pong',
      () => client.frame(),
      ({ opcode }) => opcode === Opcode.PONG,
    );
    const { hooks, stats } = await app.state();
    expect(stats.messagesIn).toBeGreaterThanOrEqual(5000);
    const dropped = (await app.limits()).messageRate!;
    // The bucket admits the messages of one second, and more while the others are read
    expect(dropped).toBeGreaterThan(3000);
    expect(hooks.messages + dropped).toBe(stats.messagesIn);
    // The log has one line a second
    const lines = app.output.match(/limit=messageRate/g)!.length;
    expect(lines).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - start) / 1000));
  });

  it('messages that hooks cannot keep up with wait in the network, not in memory', async () => {
    const client = await app.open();
    const { stats: before } = await app.state();
    client.send(frame({ payload: 'gate' }));
    client.send(...times(400, () => frame({ payload: 'hush'.padEnd(20_000, '.') })));
    await app.until('a pause', ({ stats }) => stats.pauses > before.pauses);
    const { memory } = await app.state();
    expect(memory.external).toBeLessThan(40 * MB);
    await app.echo();
    await app.order('openGate');
    await app.until('all to be handled', ({ stats }) => stats.messagesIn - before.messagesIn > 400);
    expect((await app.limits()).queuedMessages).toBeGreaterThan(0);
  });

  const NAMES = ['error', 'disconnect', '__proto__', 'constructor', 'toString', 'then', '', 'x'.repeat(900_000)];

  it.each(titled(NAMES))('treats the name of the event %s as data', async (_title, event) => {
    const client = await app.open('/events');
    client.send(frame({ payload: JSON.stringify({ event, data: { ['__proto__']: { admin: true } }, id: 1 }) }));
    const answer = JSON.parse(await text(client)) as { event: string; data: { code?: string } };
    if (event === 'error') expect(answer.event).toBe('echo');
    else
      expect([answer.event, answer.data.code]).toEqual([
        'exception',
        event.length > 256 ? 'bad_name' : 'unknown_event',
      ]);
    client.send(frame({ payload: '{"event":"echo","data":{}}' }));
    expect(JSON.parse(await text(client))).toEqual({ event: 'echo', data: {} });
  });

  it('rooms and users may have any name, and no name stands for another', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'error', '*', 'r:a', 'u:a', 'a\r\nb', '\u001b[2J'];
    for (const name of names) {
      const client = await app.open(`/ws?user=${encodeURIComponent(name)}`);
      client.send(frame({ payload: `join ${name}` }), frame({ payload: 'done' }));
      expect(await text(client)).toBe('done');
    }
    expect(await app.order('rooms', { names: [...names, 'a', 'hasOwnProperty', ''] })).toEqual([
      ...names.map(() => 1),
      0,
      0,
      0,
    ]);
    expect(await app.order('users', { names: [...names, 'a', 'valueOf', ''] })).toEqual([
      ...names.map(() => 1),
      0,
      0,
      0,
    ]);
  });

  it.each([
    ['no characters', '', 0],
    ['257 characters', 'x'.repeat(257), 1],
    ['almost 1 MiB', 'x'.repeat(MB - 10), 1],
  ])('refuses a room name of %s', async (_title, name, count) => {
    const client = await app.open();
    client.send(frame({ payload: `join ${name}` }), frame({ payload: 'done' }));
    expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception' });
    expect(await text(client)).toBe('done');
    expect((await app.limits()).nameLength ?? 0).toBe(count);
    await app.expectError('onMessage failed');
  });

  it('refuses an event name that is too long with an error frame, however long it is', async () => {
    const client = await app.open('/events');
    for (const length of [257, 900_000]) {
      client.send(frame({ payload: JSON.stringify({ event: 'x'.repeat(length), id: 1 }) }));
      const answer = JSON.parse(await text(client)) as object;
      expect(answer).toMatchObject({ event: 'exception', id: 1, data: { code: 'bad_name' } });
      expect(JSON.stringify(answer).length).toBeLessThan(300);
    }
    expect(await app.limits()).toEqual({ nameLength: 2 });
    expect(await app.grown('messageErrors')).toBe(2);
  });

  it.each([
    ['that make a hook fail', '/ws', 'fail on purpose'],
    ['whose reply cannot be encoded', '/events', '{"event":"bigint"}'],
  ])('200 messages %s get 200 error frames and a few log lines', async (_name, path, payload) => {
    const client = await app.open(path);
    const start = performance.now();
    client.send(...times(200, () => frame({ payload })));
    for (let answers = 0; answers < 200; answers++) {
      expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception', data: { code: 'internal' } });
    }
    expect(await app.grown('hookErrors')).toBe(200);
    await app.expectError(' failed id=');
    // The log has five lines at once, and one a second
    const lines = app.output.match(/ failed id=/g)!.length;
    expect(lines).toBeLessThanOrEqual(5 + Math.ceil((performance.now() - start) / 1000));
  });

  it('JSON that is nested very deeply gets its reply, or an error frame where this Node cannot encode it', async () => {
    const client = await app.open('/events');
    const payload = `{"event":"echo","data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    client.send(frame({ payload }));
    const answer = await text(client);
    if (canEncode(payload)) expect(answer).toBe(payload);
    else {
      expect(JSON.parse(answer)).toMatchObject({ event: 'exception', data: { code: 'internal' } });
      await app.expectError(' failed id=');
    }
    client.send(frame({ payload: '{"event":"echo","data":1}' }));
    expect(await text(client)).toBe('{"event":"echo","data":1}');
  });

  const BAD = [
    '{',
    'null',
    '[]',
    '5',
    '"x"',
    '{}',
    '{"event":{}}',
    '{"event":null,"data":1}',
    '['.repeat(100_000),
    `{"a":${'['.repeat(50_000)}`,
  ];

  it.each(titled(BAD))(
    'answers a message that is not an envelope with an error frame and keeps the connection: %s',
    async (_title, payload) => {
      const client = await app.open('/events');
      client.send(frame({ payload }), frame({ opcode: Opcode.BINARY, payload: Buffer.from([0, 255, 1]) }));
      for (let answers = 0; answers < 2; answers++)
        expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception' });
      client.send(frame({ payload: '{"event":"echo","data":1}' }));
      expect(JSON.parse(await text(client))).toEqual({ event: 'echo', data: 1 });
    },
  );
});

describe('with bounds of their own', () => {
  afterEach(async () => {
    await app.expectCalm();
    await app.stop();
  });

  it('a client that does not finish a message in time is closed with 1008, also when it trickles or pings', async () => {
    app = await HostileApp.start({ MESSAGE_TIMEOUT: 0.4 });
    const half = await app.open('/ws', {}, frame({ fin: false, payload: 'half' }));
    const header = await app.open('/ws', {}, frame({ payload: 'x'.repeat(200) }).subarray(0, 3));
    const trickle = await app.open('/ws', {}, frame({ fin: false, payload: 'x' }));
    const timer = setInterval(() => trickle.send(frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'x' })), 50);
    const pinging = await app.open('/ws', {}, frame({ fin: false, payload: 'x' }));
    const pings = setInterval(() => pinging.send(frame({ opcode: Opcode.PING })), 50);
    try {
      for (const client of [half, header, trickle, pinging]) {
        expect(await client.closeFrame()).toEqual({ code: 1008, reason: 'message not finished in time' });
      }
    } finally {
      clearInterval(timer);
      clearInterval(pings);
    }
    expect(await app.limits()).toEqual({ messageTime: 4 });
    await app.expectCalm();
  });

  it('a client whose socket is not read is not blamed for an unfinished message', async () => {
    app = await HostileApp.start({ MESSAGE_TIMEOUT: 0.2, MAX_QUEUED_MESSAGES: 2 });
    const client = await app.open();
    // The socket is not read while the hook sleeps, and stops in the middle of a message
    client.send(frame({ payload: 'sleep 500' }), ...times(40, () => frame({ payload: 'hush'.padEnd(60_000, '.') })));
    client.send(frame({ payload: 'done' }));
    expect(await text(client)).toBe('done');
    expect((await app.limits()).messageTime).toBeUndefined();
  });

  it('a client above the message rate is closed with 4002 where the setting says so', async () => {
    app = await HostileApp.start({ MAX_MESSAGE_RATE: 10, RATE_LIMIT: 'close' });
    const client = await app.open('/ws', {}, Buffer.concat(times(100, () => frame({ payload: 'hush' }))));
    expect(await client.closeFrame()).toEqual({ code: 4002, reason: 'rate limit' });
    expect(await app.limits()).toEqual({ messageRate: 1 });
    await app.expectCalm();
  });

  it('a client whose hook never settles is closed with 1011 where the setting says so, and onClose runs', async () => {
    app = await HostileApp.start({ HOOK_TIMEOUT: 0.2, HOOK_TIMEOUT_ACTION: 'close' });
    const client = await app.open();
    client.send(frame({ payload: 'sleep 60000' }), frame({ payload: 'hush' }));
    expect(await client.closeFrame()).toEqual({ code: 1011, reason: 'onMessage took too long' });
    expect(await app.limits()).toEqual({ hookTime: 1 });
    await app.expectCalm();
  });

  it('a client that leaves a hook behind that never settles gets its onClose, and a shutdown does not wait', async () => {
    app = await HostileApp.start({ HOOK_TIMEOUT: 0.2 });
    const client = await app.open();
    client.send(frame({ payload: 'sleep 60000' }));
    await app.until('the message', ({ hooks }) => hooks.messages > 0);
    client.reset();
    await app.expectCalm();
    expect(await app.limits()).toEqual({ hookTime: 1 });
  });

  it('refuses one room too many, and keeps the connection', async () => {
    app = await HostileApp.start({ MAX_ROOMS_PER_CONNECTION: 3 });
    const client = await app.open();
    for (const room of ['a', 'b', 'c', 'd']) client.send(frame({ payload: `join ${room}` }));
    client.send(frame({ payload: 'done' }));
    expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception' });
    expect(await text(client)).toBe('done');
    expect(await app.order('rooms', { names: ['a', 'b', 'c', 'd'] })).toEqual([1, 1, 1, 0]);
    expect(await app.limits()).toEqual({ rooms: 1 });
    await app.expectError('onMessage failed');
  });

  it('refuses a state in a room that is too long, and keeps the connection', async () => {
    app = await HostileApp.start({ MAX_PRESENCE_BYTES: 20 });
    const client = await app.open('/ws?user=ann&rooms=present');
    client.send(frame({ payload: `present ${'x'.repeat(30)}` }), frame({ payload: 'done' }));
    expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception' });
    expect(await text(client)).toBe('done');
    expect(await app.limits()).toEqual({ presenceBytes: 1 });
    await app.expectError('onMessage failed');
  });

  it('lists no more users of a room than may be listed, and keeps the connections', async () => {
    app = await HostileApp.start({ MAX_PRESENCE_USERS: 2 });
    for (const user of ['ann', 'bob', 'carl']) await app.open(`/ws?user=${user}&rooms=present`);
    expect(await app.order('presence', { room: 'present' })).toEqual(['ann', 'bob']);
    expect(await app.order('rooms', { names: ['present'] })).toEqual([3]);
    expect(await app.limits()).toEqual({ presenceUsers: 1 });
  });

  it('sends an error frame instead of one reply too many, and keeps the connection', async () => {
    app = await HostileApp.start({ MAX_REPLIES: 3 });
    const client = await app.open('/events');
    client.send(
      frame({ payload: '{"event":"many","data":1000000}' }),
      frame({ payload: '{"event":"echo","data":"on"}' }),
    );
    for (let number = 0; number < 3; number++) expect(JSON.parse(await text(client))).toMatchObject({ data: number });
    expect(JSON.parse(await text(client))).toMatchObject({ event: 'exception', data: { code: 'too_many_replies' } });
    expect(JSON.parse(await text(client))).toEqual({ event: 'echo', data: 'on' });
    expect(await app.limits()).toEqual({ replies: 1 });
  });

  it('sends an error frame instead of one stream too many, and gives its place back when the client cancels it', async () => {
    app = await HostileApp.start({ MAX_STREAMS: 2 });
    const client = await app.open('/events');
    const answer = async (payload: object) => {
      client.send(frame({ payload: JSON.stringify(payload) }));
      return JSON.parse(await text(client)) as object;
    };
    const [first, second, third] = [1, 2, 3].map((id) => ({ event: 'stream', data: id, id }));
    expect([await answer(first!), await answer(second!)]).toEqual([1, 2].map((id) => ({ event: 'one', data: id, id })));
    expect(await answer(third!)).toMatchObject({ event: 'exception', data: { code: 'too_many_streams' }, id: 3 });
    expect(await answer({ event: 'rt:cancel', id: 1 })).toEqual({ event: 'rt:done', data: { dropped: 0 }, id: 1 });
    expect(await answer(third!)).toEqual({ event: 'one', data: 3, id: 3 });
    expect(await app.limits()).toEqual({ streams: 1 });
  });

  it('members() rejects instead of returning more than allowed', async () => {
    app = await HostileApp.start({ MAX_MEMBERS: 3 });
    await Promise.all(times(2, () => app.open()));
    expect(await app.order('members', { path: '/ws' })).toHaveLength(3);
    await app.open();
    await expect(app.order('members', { path: '/ws' })).rejects.toThrow('too_many_members');
    expect(await app.limits()).toEqual({ members: 1 });
  });

  it('a client that sends a frame in too many packets is closed with 1008', async () => {
    app = await HostileApp.start({ MAX_BUFFERED_CHUNKS: 16 });
    const client = await app.open();
    const bytes = frame({ payload: 'x'.repeat(5000) });
    // The echo on another connection shows that each packet is read before the next one leaves
    for (let at = 0; at < bytes.length && !client.isOver; at += 100) {
      client.send(bytes.subarray(at, at + 100));
      await app.echo();
    }
    expect((await client.closeFrame()).code).toBe(1008);
    expect(await app.limits()).toEqual({ chunks: 1 });
  });

  it('a client that pings and never reads the pongs is closed before they fill the memory', async () => {
    app = await HostileApp.start({ MAX_CONTROL_RATE: 0, MAX_BUFFERED_BYTES: 100_000 });
    const client = await app.open();
    client.socket.pause();
    const ping = frame({ opcode: Opcode.PING, payload: Buffer.alloc(125) });
    const packet = Buffer.concat(times(500, () => ping));
    for (let sent = 0; sent < 400 && (await app.state()).stats.current === 2; sent++) {
      client.socket.write(packet);
    }
    await app.until('the end', ({ stats }) => stats.closed.limit === 1);
    expect(await app.limits()).toEqual({ bufferedBytes: 1 });
    await app.expectCalm();
  });
});

describe('with compression', () => {
  const OFFER: RequestParts = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } };
  const compressed = (payload: Buffer, parts = {}) =>
    frame({ opcode: Opcode.BINARY, rsv: 4, payload: deflateRawSync(payload, { level: 9 }), ...parts });

  beforeAll(async () => {
    app = await HostileApp.startAlone({ COMPRESSION: 'on', MAX_MESSAGE_BYTES: 100_000 });
  });
  afterAll(() => app.stop());
  beforeEach(() => app.begin());

  it('50 compressed bombs of 60 MB are closed with 1009 before they are large', async () => {
    const start = (await app.state()).memory.rss;
    const bomb = compressed(Buffer.alloc(60 * MB));
    expect(bomb.length).toBeLessThan(100_000);
    const clients = await Promise.all(times(50, () => app.open('/ws', OFFER)));
    for (const client of clients) client.send(bomb);
    for (const client of clients) {
      expect(await client.closeFrame()).toEqual({ code: 1009, reason: 'message too big: more than 100000 bytes' });
    }
    expect((await app.state()).memory.rss - start).toBeLessThan(100 * MB);
    expect(await app.limits()).toEqual({ messageBytes: 50 });
    await app.expectCalm();
  });

  it('a client whose message cannot be inflated is closed, and no other client notices', async () => {
    const client = await app.open('/ws', OFFER);
    client.send(frame({ rsv: 4, payload: Buffer.alloc(500, 0xff) }));
    expect((await client.closeFrame()).code).toBe(1007);
    await app.expectCalm();
  });

  it('compression is not offered by default', async () => {
    const plain = await HostileApp.start();
    const { headers } = await plain.knock('/ws', OFFER);
    expect(headers['sec-websocket-extensions']).toBeUndefined();
    await plain.stop();
  });
});

it('messages above the rate of bytes are dropped', async () => {
  app = await HostileApp.start({ MAX_BYTE_RATE: 1 });
  const client = await app.open();
  const big = frame({ payload: 'hush'.padEnd(MB, '.') });
  const before = (await app.state()).stats.bytesIn;
  client.send(...times(30, () => big));
  await app.until('all to be read', ({ stats }) => stats.bytesIn >= before + 30 * MB, 10_000);
  // The bucket holds one message of the greatest length, and at one byte per second there is never another one in it
  expect(await app.limits()).toEqual({ byteRate: 29 });
  await app.stop();
});
