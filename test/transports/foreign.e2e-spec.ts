/** Requests of SSE and polling clients at another node than that of their connection: what is answered, and what crosses. */
import { Redis } from 'ioredis';
import type { HandshakeRequest, RealtimeOptions } from 'nestjs-realtime';
import { bootRoom, Doorkeeper, Lines, type RoomApp, stop } from '../support/apps/transport-app.js';
import { SseClient } from '../support/clients/request-clients.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const ANN = { authorization: 'Bearer ann' };
/** A client that is away at the end is not waited for. */
const QUICK = { closeTimeout: 0.05 };
const BOB = { authorization: 'Bearer bob' };

let redis: RedisProcess;
let clusters = 0;
let apps: RoomApp[];

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(() => redis.stop());
beforeEach(() => {
  apps = [];
});
afterEach(async () => {
  for (const app of apps) await stop(app);
});

interface Polled {
  readonly status: number;
  readonly body: {
    readonly token: string;
    readonly position: number;
    readonly messages: string[];
    readonly id: string;
  };
}

async function poll(app: RoomApp, position: number, headers: Record<string, string>): Promise<Polled> {
  const response = await fetch(`${app.url}?transport=polling&position=${position}`, { headers });
  const text = await response.text();
  return { status: response.status, body: (text ? JSON.parse(text) : {}) as Polled['body'] };
}

const post = (app: RoomApp, headers: Record<string, string>, body = 'hi', type = 'text/plain') =>
  fetch(app.url, { method: 'POST', headers: { 'content-type': type, ...headers }, body });

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  const start = async (options: RealtimeOptions = {}): Promise<readonly [owner: RoomApp, other: RoomApp]> => {
    const shared = { ...QUICK, redisUrl: redis.url, app: `foreign-${process.pid}-${++clusters}`, ...options };
    const [owner, other] = await Promise.all([1, 2].map(() => bootRoom(shared, {}, { adapter: adapter() })));
    apps.push(owner!, other!);
    return [owner!, other!];
  };

  it('a POST gets the status of the owner, after the guards of the node that it has reached', async () => {
    const [owner, other] = await start({ maxMessageBytes: 1000 });
    const { body } = await poll(owner, 0, ANN);
    const mine = { ...ANN, 'x-realtime-token': body.token };
    const statusOf = async (...args: Parameters<typeof post>) => (await post(...args)).status;
    expect(await statusOf(other, mine)).toBe(204);
    expect(owner.room.heard).toEqual(['hi']);
    expect(other.app.app.get(Doorkeeper).asked).toBe(1);
    expect(await statusOf(other, { ...BOB, 'x-realtime-token': body.token })).toBe(403);
    expect(await statusOf(other, { 'x-realtime-token': body.token })).toBe(403);
    expect(await statusOf(other, { ...mine, 'x-want': 'guard-refuses' })).toBe(403);
    expect(await statusOf(other, { ...mine, origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf(other, mine, 'x'.repeat(1001))).toBe(413);
    expect(await statusOf(other, mine, 'x', 'text/html')).toBe(415);
    expect(await statusOf(other, mine, '{', 'application/json')).toBe(400);
    expect(await statusOf(other, { ...mine, 'x-realtime-message-id': 'a b' })).toBe(400);
    const unknown = body.token.slice(0, 12) + 'x'.repeat(32);
    expect(await statusOf(other, { ...ANN, 'x-realtime-token': unknown })).toBe(404);
    expect(await statusOf(other, { ...ANN, 'x-realtime-token': 'x'.repeat(44) })).toBe(404);
    expect(owner.room.heard).toEqual(['hi']);
  });

  it('a POST with an id is taken once, whichever nodes it reaches', async () => {
    const [owner, other] = await start();
    const { body } = await poll(owner, 0, {});
    const headers = { 'x-realtime-token': body.token, 'x-realtime-message-id': 'one' };
    for (const app of [other, owner, other]) expect((await post(app, headers)).status).toBe(204);
    expect((await post(other, { ...headers, 'x-realtime-message-id': 'two' }, 'ho')).status).toBe(204);
    await until(
      'both messages',
      () => owner.room.heard,
      ({ length }) => length >= 2,
    );
    expect(owner.room.heard).toEqual(['hi', 'ho']);
  });

  it('a POST gets 429 while the hooks are behind, and its id is free', async () => {
    const [owner, other] = await start({ maxQueuedMessages: 1 });
    const { body } = await poll(owner, 0, {});
    const headers = { 'x-realtime-token': body.token };
    let release!: () => void;
    owner.room.block = new Promise((resolve) => (release = resolve));
    const refused = async () => post(other, { ...headers, 'x-realtime-message-id': 'late' }, 'late');
    for (const text of ['1', '2', '3']) await post(other, headers, text);
    const response = await refused();
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
    release();
    await until('204', refused, ({ status }) => status === 204);
    await until(
      'the message',
      () => owner.room.heard,
      (heard) => heard.includes('late'),
    );
    expect(owner.room.heard.filter((text) => text === 'late')).toHaveLength(1);
  });

  it('a DELETE ends the connection at its owner, and the poll that another node holds', async () => {
    const [owner, other] = await start();
    const { body } = await poll(owner, 0, {});
    const headers = { 'x-realtime-token': body.token };
    const held = poll(other, 0, headers);
    await until(
      'the relay',
      async () => (await owner.app.server.stats()).broker.relays,
      (relays) => relays === 1,
    );
    const response = await fetch(other.url, { method: 'DELETE', headers });
    expect(response.status).toBe(204);
    expect(await held).toMatchObject({ status: 200, body: { close: { code: 1000, reason: '' } } });
    expect(await owner.room.closed()).toMatchObject({ code: 1000, initiator: 'client' });
    await until(
      'no relay',
      async () => (await owner.app.server.stats()).broker.relays,
      (relays) => relays === 0,
    );
  });

  it('a poll gets what its owner answers: messages, 400, 403, 409, or a new connection', async () => {
    const [owner, other] = await start();
    const { body } = await poll(owner, 0, ANN);
    const headers = { ...ANN, 'x-realtime-token': body.token };
    owner.room.connections[0]!.send('one');
    owner.room.connections[0]!.send('two');
    expect(await poll(other, 0, headers)).toMatchObject({
      status: 200,
      body: { position: 2, messages: ['one', 'two'] },
    });
    owner.room.connections[0]!.send('three');
    expect(await poll(other, 2, headers)).toMatchObject({ body: { position: 3, messages: ['three'] } });
    expect((await poll(other, 1, headers)).status).toBe(409);
    expect((await poll(other, 3, { ...headers, ...BOB })).status).toBe(403);
    const asStream = await fetch(other.url, {
      headers: { ...ANN, accept: 'text/event-stream', 'last-event-id': `${body.token}.1` },
    });
    expect(asStream.status).toBe(400);
    const beyond = await poll(other, 99, headers);
    expect(beyond.body.id.split('.')[0]).not.toBe(body.id.split('.')[0]);
    expect(await owner.room.closed()).toMatchObject({ code: 1006 });
  });

  it('the owner knows its clients by the cookie that its hook has read, whatever other cookies there are', async () => {
    const [owner, other] = await start();
    owner.room.inHandshake = ({ cookies }: HandshakeRequest) => void cookies['secret'];
    const { body } = await poll(owner, 0, { cookie: 'secret=s3; other=1' });
    const token = { 'x-realtime-token': body.token };
    expect((await post(other, { ...token, cookie: 'other=2; secret=s3' })).status).toBe(204);
    expect((await post(other, { ...token, cookie: 'secret=s4; other=1' })).status).toBe(403);
  });

  it('neither a token nor a credential crosses the broker', async () => {
    const [owner, other] = await start();
    const spy = new Redis(redis.url);
    let heard = '';
    spy.on(
      'pmessageBuffer',
      (_pattern: Buffer, _channel: Buffer, bytes: Buffer) => (heard += bytes.toString('latin1')),
    );
    await spy.psubscribe('*');
    owner.room.inHandshake = ({ cookies }: HandshakeRequest) => void cookies['secret'];
    const headers = { authorization: 'Bearer annpassword', cookie: 'secret=s3cretcookie' };
    let { url } = owner;
    const stream = await SseClient.connect(() => url, headers);
    url = other.url;
    stream.vanish();
    await stream.open();
    await stream.send('hello');
    expect(await stream.next()).toBe('echo hello');
    expect(await stream.close()).toBe(204);
    await stream.closed();
    spy.disconnect();
    expect(heard).toContain('"type":"open"');
    expect(heard).toContain('hello');
    for (const secret of [stream.token, stream.token.slice(12), 'annpassword', 's3cretcookie', 'echo hello'])
      expect(heard.includes(secret)).toBe(false);
  });

  it('a client whose relay would be one too many is asked to come again', async () => {
    const lines = new Lines();
    const shared = { ...QUICK, redisUrl: redis.url, app: `foreign-${process.pid}-${++clusters}`, maxRelays: 1 };
    const [owner, other] = await Promise.all([
      bootRoom(shared, {}, { adapter: adapter() }),
      bootRoom(shared, {}, { adapter: adapter(), logger: lines }),
    ]);
    apps.push(owner, other);
    const tokens = [await poll(owner, 0, {}), await poll(owner, 0, {})].map(({ body }) => body.token);
    const held = poll(other, 0, { 'x-realtime-token': tokens[0]! });
    await until(
      'the relay',
      async () => (await other.app.server.stats()).broker.relays,
      (relays) => relays === 1,
    );
    expect((await poll(other, 0, { 'x-realtime-token': tokens[1]! })).status).toBe(503);
    expect(lines.warnings).toContainEqual('Realtime relay refused relays=1 setting=REALTIME_MAX_RELAYS');
    expect((await other.app.server.stats()).broker.relaysRefused).toBe(1);
    owner.room.connections[0]!.send('on');
    expect(await held).toMatchObject({ body: { messages: ['on'] } });
  });
});
