/** A plain EventSource in rooms with history: two applications over one Redis, real HTTP. */
import type { Connection, RealtimeOptions } from 'nestjs-realtime';
import { PlainSource } from '../support/clients/plain-source.js';
import { bootRoom, renew, type RoomApp, stop } from '../support/apps/transport-app.js';
import { RedisProcess } from '../support/redis.js';
import { PLATFORMS } from '../support/platforms.js';

const [express] = PLATFORMS;

describe('a plain EventSource in rooms with history', () => {
  let redis: RedisProcess;
  let sites: RoomApp[];
  let room = 0;

  const push = async (text: string, name = `chat:${room}`) => {
    await sites[0]!.app.server.to(name).push(text);
  };
  /** Every connection joins these rooms in `onOpen`. */
  const joins = (...names: string[]) => {
    for (const site of sites)
      site.room.inOpen = (connection: Connection) => names.forEach((name) => void connection.join(name));
  };

  /** A site of its own, which a test can stop: while the node of a connection lives, every other one relays it. */
  const passing = async () => {
    const site = await boot();
    site.room.inOpen = sites[0]!.room.inOpen;
    return site;
  };

  let boot: () => Promise<RoomApp>;
  beforeAll(async () => {
    redis = await RedisProcess.start();
    const options: RealtimeOptions = {
      ...{ redisUrl: redis.url, app: 'positions', announceInterval: 0.1, nodeLostTime: 0.5, closeTimeout: 0.2 },
      rooms: { 'chat:*': { history: { size: 10, age: 60 } } },
    };
    boot = () => bootRoom(options, {}, { adapter: express!.adapter() });
    sites = await Promise.all([boot(), boot()]);
  });
  beforeEach(() => {
    joins(`chat:${++room}`);
  });
  afterEach(async () => {
    for (const site of sites) await renew(site);
  });
  afterAll(async () => {
    for (const site of sites) await stop(site);
    await redis.stop();
  });

  it('goes on at another node by its last id alone, and onmessage sees each message once', async () => {
    const source = new PlainSource();
    const first = await passing();
    await source.open(first.url);
    await source.until('its place in the room', () => source.lastEventId.includes(';'));
    await push('one');
    await push('two\nlines');
    await source.until('two messages', () => source.of('message').length === 2);
    expect(source.lastEventId).toMatch(/^[\w-]+\.\d+;[\w-]{8}=2\.[\w-]{6}$/);
    source.cut();
    await stop(first);
    await push('three');
    expect(await source.open(sites[1]!.url)).toBe(200);
    await source.until('the recovery', () => source.of('rt:joined').length === 1);
    await push('four');
    await source.until('all messages', () => source.of('message').length === 4);
    expect(source.of('message')).toEqual(['one', 'two\nlines', 'three', 'four']);
    expect(JSON.parse(source.of('rt:joined')[0]!)).toMatchObject({ room: `chat:${room}`, recovered: true });
    expect(source.of('open').map((data) => (JSON.parse(data) as { recovered: boolean }).recovered)).toEqual([
      false,
      false,
    ]);
  });

  it('goes on from its place also when it has had no message, and after it has resumed on its own node', async () => {
    const source = new PlainSource();
    await source.open(sites[0]!.url);
    await source.until('its place in the room', () => source.lastEventId.includes(';'));
    source.cut();
    await push('one');
    await source.open(sites[0]!.url);
    await source.until('the first message', () => source.of('message').length === 1);
    source.cut();
    await source.open(sites[0]!.url);
    await source.until('the third stream', () => source.of('open').length === 3);
    expect(source.lastEventId).toContain('=1.');
    source.cut();
    await push('two');
    await source.open(sites[1]!.url);
    await source.until('the second message', () => source.of('message').length === 2);
    expect([source.of('message'), source.of('rt:gap')]).toEqual([['one', 'two'], []]);
  });

  it('is told when more was missed than is kept, and of rooms that its id has left out', async () => {
    const source = new PlainSource();
    const first = await passing();
    await source.open(first.url);
    await source.until('its place in the room', () => source.lastEventId.includes(';'));
    source.cut();
    await stop(first);
    for (let n = 1; n <= 12; n++) await push(String(n));
    await source.open(sites[1]!.url);
    await source.until('the end of the join', () => source.of('rt:joined').length === 1);
    expect(JSON.parse(source.of('rt:joined')[0]!)).toMatchObject({ recovered: false, reason: 'expired' });
    expect(source.of('message')).toEqual([]);

    const many = Array.from({ length: 17 }, (_, index) => `chat:${room}:${index}`);
    joins(...many);
    const other = new PlainSource();
    const second = await passing();
    await other.open(second.url);
    await other.until('its place in sixteen rooms', () => other.lastEventId.endsWith(';+'));
    other.cut();
    await stop(second);
    await other.open(sites[1]!.url);
    await other.until('the joins', () => other.of('rt:joined').length === 17);
    const gaps = other.of('rt:gap').map((data) => JSON.parse(data) as { room: string; reason: string });
    expect(gaps.map(({ reason }) => reason)).toEqual(['limit']);
    expect(many).toContain(gaps[0]!.room);
  });

  it('gets the bytes of today in rooms without history', async () => {
    joins('plain');
    const source = new PlainSource();
    await source.open(sites[0]!.url);
    await source.until('the stream', () => source.of('open').length === 1);
    await sites[0]!.app.server.to('plain').emit('news', 1);
    await source.until('the event', () => source.of('news').length === 1);
    expect([source.lastEventId, source.events.map(({ type }) => type)]).toEqual([
      expect.stringMatching(/^[\w-]+\.1$/),
      ['open', 'news'],
    ]);
  });
});
