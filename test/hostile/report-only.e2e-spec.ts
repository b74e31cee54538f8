/** With `REALTIME_LIMITS=report` everything is counted and told, and nothing is refused. */
import { jest } from '@jest/globals';
import { HostileApp } from '../support/hostile-app.js';
import { frame, Opcode, type RawSocket, upgradeRequest } from '../support/raw-socket.js';

jest.setTimeout(60_000);

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const text = async (client: RawSocket) => (await client.frame()).payload.toString();

let app: HostileApp;

beforeAll(async () => {
  app = await HostileApp.start({
    ...{ LIMITS: 'report', MAX_CONNECTIONS: 2, MAX_CONNECTIONS_PER_ADDRESS: 2, MAX_CONNECTIONS_PER_USER: 1 },
    ...{ MAX_CONNECTION_RATE: 2, MAX_CONNECTION_RATE_PER_ADDRESS: 2, MAX_FAILED_HANDSHAKES: 2 },
    ...{ MAX_UNFINISHED_HANDSHAKES: 2, HEADER_TIMEOUT: 0.3, MESSAGE_TIMEOUT: 0.3, AUTHENTICATE_TIMEOUT: 0.3 },
    ...{ MAX_MESSAGE_BYTES: 1000, MAX_FRAGMENTS: 3, MAX_BUFFERED_CHUNKS: 16, MAX_CONTROL_RATE: 5, MAX_MESSAGE_RATE: 5 },
    ...{ MAX_BYTE_RATE: 1000, MAX_QUEUED_MESSAGES: 2, MAX_BUFFERED_BYTES: 100_000, MAX_BUFFERED_BYTES_TOTAL: 100_000 },
    ...{ MAX_SLOW_TIME: 0.3, MAX_ROOMS_PER_CONNECTION: 2, MAX_MEMBERS: 2 },
  });
});
afterAll(() => app.stop());
beforeEach(() => app.begin());
afterEach(() => app.expectCalm());

it('connections: node, address, user, rates, failed and unfinished handshakes', async () => {
  const good = await Promise.all(times(20, () => app.knock('/ws?user=ann&wait=50')));
  expect(good.map(({ status }) => status)).toEqual(good.map(() => 101));
  const bad = await Promise.all(times(10, () => app.knock('/ws?deny=1')));
  expect(bad.map(({ status }) => status)).toEqual(bad.map(() => 401));
  expect((await app.knock()).status).toBe(101);
  const limits = await app.limits();
  for (const name of [
    ...(['connections', 'connectionsPerAddress', 'connectionRate', 'connectionRatePerAddress'] as const),
    ...(['failedHandshakes', 'unfinishedHandshakes'] as const),
  ]) {
    expect([name, limits[name]]).toEqual([name, expect.any(Number)]);
  }
  expect(app.output).toMatch(/WebSocket limit reached \(report only\) limit=connectionRate /);
});

it('connections of one user', async () => {
  for (const expected of [101, 101, 101]) expect((await app.knock('/ws?user=ann')).status).toBe(expected);
  expect((await app.limits()).connectionsPerUser).toBe(2);
});

it('the header phase', async () => {
  const client = await app.connect();
  const request = upgradeRequest();
  client.send(request.subarray(0, 50));
  await app.until('the count', ({ stats }) => stats.limits.headerTime > 0);
  client.send(request.subarray(50));
  expect((await client.answer()).status).toBe(101);
  expect((await app.limits()).headerTime).toBe(1);
});

it('the first message', async () => {
  const client = await app.open('/ask');
  await app.until('the count', ({ stats }) => stats.limits.authenticateTime > 0);
  client.send(frame({ payload: '{"token":"the-right-secret"}' }), frame({ payload: 'hello' }));
  expect(await text(client)).toBe('hello');
  expect((await app.limits()).authenticateTime).toBe(1);
});

it('length, fragments, chunks and time of a message', async () => {
  const client = await app.open();
  client.send(frame({ payload: 'x'.repeat(3000) }));
  expect(await text(client)).toHaveLength(3000);
  const more = times(10, () => frame({ opcode: Opcode.CONTINUATION, fin: false, payload: 'x' }));
  client.send(frame({ fin: false, payload: 'x' }), ...more);
  await app.until('the count', ({ stats }) => stats.limits.messageTime > 0);
  client.send(frame({ opcode: Opcode.CONTINUATION, payload: 'x' }));
  expect(await text(client)).toBe('x'.repeat(12));
  const bytes = frame({ payload: 'y'.repeat(900) });
  for (let at = 0; at < bytes.length; at += 20) {
    client.send(bytes.subarray(at, at + 20));
    await app.echo();
  }
  expect(await text(client)).toBe('y'.repeat(900));
  expect(await app.limits()).toMatchObject({ messageBytes: 1, fragments: 1, chunks: 1 });
});

it('rates of messages, bytes and control frames; the queue', async () => {
  const client = await app.open();
  client.send(frame({ payload: 'sleep 100' }), ...times(50, () => frame({ payload: 'x'.repeat(50) })));
  for (let echoes = 0; echoes < 50; echoes++) expect(await text(client)).toBe('x'.repeat(50));
  client.send(...times(50, () => frame({ opcode: Opcode.PING })));
  for (let pongs = 0; pongs < 50; pongs++) expect((await client.frame()).opcode).toBe(Opcode.PONG);
  const limits = await app.limits();
  expect(limits.messageRate! + (limits.byteRate ?? 0)).toBeGreaterThan(40);
  expect(limits.controlRate).toBeGreaterThan(40);
  expect(limits.queuedMessages).toBeGreaterThan(0);
  expect((await app.state()).stats.pauses).toBe(0);
});

it('slow clients', async () => {
  const client = await app.open('/newest');
  client.socket.pause();
  await app.order('flood', { path: '/newest', count: 150, bytes: 65_536 });
  await app.until('the time to be over', ({ stats }) => stats.limits.slowTime > 0);
  const { stats } = await app.state();
  expect([stats.dropped, stats.closed.limit]).toEqual([0, 0]);
  client.socket.resume();
  for (let number = 0; number < 150; number++) expect(Number.parseInt(await text(client), 10)).toBe(number);
  const limits = await app.limits();
  expect(limits.slowTime).toBe(1);
  expect(limits.bufferedBytes! + (limits.bufferedBytesTotal ?? 0)).toBeGreaterThan(50);
});

it('rooms and members', async () => {
  const client = await app.open();
  for (const room of ['a', 'b', 'c', 'd']) client.send(frame({ payload: `join ${room}` }));
  client.send(frame({ payload: 'done' }));
  expect(await text(client)).toBe('done');
  expect(await app.order('rooms', { names: ['a', 'b', 'c', 'd'] })).toEqual([1, 1, 1, 1]);
  await app.open();
  expect(await app.order('members', { path: '/ws' })).toHaveLength(3);
  expect(await app.limits()).toMatchObject({ rooms: 2, members: 1 });
});
