/** Rooms with history on real nodes, with fake sockets: in memory, and over a real Redis. */
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { QUICK } from '../contracts/broker-link.contract.js';
import type { Identity } from '../../libs/realtime/src/hooks.js';
import { MemoryBroker } from '../../libs/realtime/src/brokers/memory.js';
import { LibraryMember } from '../support/clients/library-member.js';
import { type ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const ROOMS: RealtimeOptions = {
  rooms: { 'chat:*': { history: { size: 20, age: 60 } }, 'tiny:*': { history: { size: 3, age: 60 } } },
  users: { history: { size: 5, age: 60 } },
  ...{ announceInterval: 0.1, nodeLostTime: 0.5, askTimeout: 0.5, maxRecoveryEntries: 15 },
};

const codeOf = (call: Promise<unknown>) => call.then(String, ({ code }: { code: string }) => code);

interface Case {
  readonly name: string;
  readonly start: () => Promise<{ redis?: RedisProcess }>;
}

const CASES: Case[] = [
  { name: 'in memory', start: async () => ({}) },
  { name: 'over Redis', start: async () => ({ redis: await RedisProcess.start() }) },
];

describe.each(CASES)('rooms with history $name', ({ start }) => {
  let redis: RedisProcess | undefined;
  let nodes: ClusterNodes;
  let [a, b]: ClusterNode[] = [];
  let room: string;
  let rooms = 0;

  /** Pushes numbers to the room, one after the other. */
  const push = async (from: number, to: number, target = room) => {
    for (let n = from; n <= to; n++) await a!.server.to(target).emit('n', n);
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const library = (identity: Identity = { rooms: [room] }) => new LibraryMember(nodes, identity);

  beforeAll(async () => {
    ({ redis } = await start());
    nodes = new ClusterNodes(redis?.url);
    const one = (): Promise<ClusterNode> =>
      redis ? nodes.start(ROOMS, undefined, QUICK) : nodes.start(ROOMS, new MemoryBroker());
    a = await one();
    b = redis ? await one() : a;
  });
  beforeEach(() => {
    room = `chat:${++rooms}`;
  });
  afterAll(async () => {
    await nodes.stop();
    await redis?.stop();
  });

  it('sends a bare client the messages as they are', async () => {
    const bare = await nodes.open(b!);
    await bare.connection.join(room);
    await push(1, 2);
    await a!.server.to(room).push('text');
    await bare.until(3);
    expect(bare.texts).toEqual(['{"event":"n","data":1}', '{"event":"n","data":2}', 'text']);
  });

  it('tells a client library where it stands, with each message', async () => {
    const ann = await library().connect(b!);
    const reached = [await a!.server.to(room).emit('n', 1), await a!.server.to(room).push('raw "text"')];
    await ann.until('both messages', ({ all }) => all.length === 3);
    const [joined, one, raw] = ann.all;
    expect(joined).toEqual({
      event: 'rt:joined',
      data: { room, key: expect.stringMatching(/^[\w-]{8}$/), position: expect.stringMatching(/^0\./) },
    });
    expect(one).toEqual({ event: 'n', data: 1, room, position: reached[0]!.position });
    expect(raw).toEqual({ event: 'rt:raw', data: 'raw "text"', room, position: reached[1]!.position });
    await ann.member.connection.leave(room);
    expect(ann.all.at(-1)).toEqual({ event: 'rt:left', data: { room } });
  });

  it('sends a client that comes back what it has missed, once and in order, on any node', async () => {
    const ann = await library().connect(a!);
    await push(1, 3);
    await ann.untilNumber(3);
    ann.cut();
    await push(4, 9);
    await ann.connect(b!);
    await push(10, 12);
    await ann.untilNumber(12);
    expect(ann.numbers).toEqual(numbers(1, 12));
    expect(ann.told).toEqual(['rt:joined', 'rt:joined true']);
  });

  it('never reports a recovery where more was missed than is kept, or than one client is sent', async () => {
    const tiny = `tiny:${room}`;
    const ann = await library({ rooms: [tiny, room] }).connect(a!);
    await push(1, 1, tiny);
    await push(2, 2);
    await ann.until('both', ({ numbers: all }) => all.length === 2);
    ann.cut();
    await push(3, 8, tiny);
    await push(9, 25);
    await ann.connect(b!);
    await ann.until('both rooms', ({ told }) => told.length === 4);
    expect(ann.told.slice(2).sort()).toEqual(['rt:joined false expired', 'rt:joined false limit']);
  });

  it('sends the last entries inside a join, and no more than there are', async () => {
    await push(1, 12);
    const ann = await library({}).connect(b!);
    await ann.member.connection.join(room, { last: 5 });
    expect(ann.all.map(({ event, data }) => (event === 'n' ? data : event))).toEqual([8, 9, 10, 11, 12, 'rt:joined']);
    const bob = await library({}).connect(b!);
    await push(1, 2, `${room}b`);
    await bob.member.connection.join(`${room}b`, { last: 5 });
    expect(bob.numbers).toEqual([1, 2]);
    await push(13, 13);
    await ann.untilNumber(13);
    await expect(ann.member.connection.join('plain', { last: 1 })).rejects.toMatchObject({ code: 'no_history' });
    await expect(ann.member.connection.join(`${room}c`, { last: 16 })).rejects.toThrow('from 1 to 15');
  });

  it('leaves a client out of what was pushed except to it, also when it comes back, and moves it on', async () => {
    const ann = await library().connect(a!);
    await a!.server.to(room).except(ann.member.connection.id).emit('n', 1);
    await ann.until('the place', ({ all }) => all.some(({ event }) => event === 'rt:at'));
    const id = ann.member.connection.id;
    ann.cut();
    await a!.server.to(room).except(id).emit('n', 2);
    await push(3, 3);
    await ann.connect(b!);
    await ann.untilNumber(3);
    expect([ann.numbers, ann.told.at(-1)]).toEqual([[3], 'rt:joined true']);
  });

  it('keeps what is pushed to a user, for the devices that come back', async () => {
    const userId = `user ${room}`;
    const ann = await library({ userId, rooms: [] }).connect(a!);
    await a!.server.toUser(userId).emit('n', 1);
    await ann.untilNumber(1);
    ann.cut();
    await a!.server.toUser(userId).emit('n', 2);
    await ann.connect(b!);
    await ann.untilNumber(2);
    expect(ann.all.at(-1)).toMatchObject({ event: 'rt:joined', data: { user: true, key: 'u', recovered: true } });
    expect(ann.numbers).toEqual([1, 2]);
    expect((await a!.server.toUser(userId).history()).items.map(({ data }) => data)).toEqual([1, 2]);
  });

  it('publishes a push with a key once, and a volatile one without keeping it', async () => {
    const ann = await library().connect(b!);
    const first = await a!.server.to(room).emit('n', 1, { key: 'k' });
    expect(await a!.server.to(room).emit('n', 1, { key: 'k' })).toEqual({ ...first, isRepeated: true });
    await a!.server.to(room).emit('n', 2, { volatile: true });
    await a!.server.to(room).push(Buffer.from('bytes'), { volatile: true });
    await push(3, 3);
    await ann.until('the last entry', ({ member }) => member.texts.some((text) => text.includes('"data":3')));
    expect(ann.member.texts.slice(1).map((text) => text.replace(/,"room.*/, ''))).toEqual([
      '{"event":"n","data":1',
      '{"event":"n","data":2}',
      'bytes',
      '{"event":"n","data":3',
    ]);
    expect((await a!.server.to(room).history()).items.map(({ data }) => data)).toEqual([1, 3]);
  });

  it('refuses what a room cannot keep, and names of its own events', async () => {
    const { server } = a!;
    expect(
      await Promise.all([
        codeOf(server.to('plain').push('a', { key: 'k' })),
        codeOf(server.toEveryone().push('a', { key: 'k' })),
        codeOf(server.to(room).push('a', { key: '' })),
        codeOf(server.to(room).push('a', { key: 'k', volatile: true })),
        codeOf(server.to(room).push(Buffer.from('a'))),
        codeOf(server.to(room).emit('rt:gap', {})),
        codeOf(server.to('plain').history()),
        codeOf(server.to(room).history({ after: 'x' })),
      ]),
    ).toEqual([
      'no_history',
      'no_history',
      'bad_name',
      'no_history',
      'no_binary_history',
      'bad_name',
      'no_history',
      'bad_position',
    ]);
    await expect(server.to(room).history({ limit: 0 })).rejects.toThrow(RangeError);
  });

  it('reads the history of a room in pages, in both directions', async () => {
    await push(1, 7);
    const target = b!.server.to(room);
    const first = await target.history({ limit: 3 });
    const second = await target.history({ limit: 10, after: first.next! });
    expect([first.items.map(({ data }) => data), second.items.map(({ data }) => data), second.next]).toEqual([
      [1, 2, 3],
      [4, 5, 6, 7],
      undefined,
    ]);
    const newest = await target.history({ limit: 3, reverse: true });
    const older = await target.history({ limit: 10, reverse: true, after: newest.next! });
    expect([newest.items.map(({ data }) => data), older.items.map(({ data }) => data), older.next]).toEqual([
      [7, 6, 5],
      [4, 3, 2, 1],
      undefined,
    ]);
    expect(newest.items[0]).toEqual({ position: newest.position, event: 'n', data: 7, text: '{"event":"n","data":7}' });
    const [, tag] = newest.position.split('.');
    const foreign = `3.${tag === 'aaaaaa' ? 'bbbbbb' : 'aaaaaa'}`;
    expect((await target.history({ after: foreign })).gap).toBe('reset');
    await push(8, 30);
    expect((await target.history({ after: first.next! })).gap).toBe('expired');
    expect((await target.history({ after: newest.position })).gap).toBe('expired');
  });

  it('tells a slow client where it has lost something, and sends it the rest once it reads again', async () => {
    const ann = library();
    await ann.connect(b!);
    const { socket, connection } = ann.member;
    await push(1, 1);
    await ann.untilNumber(1);
    socket.bufferedBytes = b!.engine.node.settings.maxBufferedBytes;
    for (let n = 2; n <= 6; n++) await a!.server.to(room).emit('n', n, { slow: 'drop-newest' });
    await until(
      'the entries to be lost',
      () => connection.bufferedBytes,
      (bytes) => bytes > 0,
    );
    expect(ann.numbers).toEqual([1]);
    socket.bufferedBytes = 0;
    connection.drained();
    await ann.untilNumber(6);
    expect(ann.numbers).toEqual(numbers(1, 6));
    expect(ann.told).toEqual(['rt:joined']);
  });

  it('counts what it keeps, reads and tells', async () => {
    const { history } = a!.engine.node.stats();
    expect(history).toMatchObject({ repeated: expect.any(Number), rejected: expect.any(Number) });
    expect(history.appended).toBeGreaterThan(50);
    const { history: other } = b!.engine.node.stats();
    expect([other.recovered, other.notRecovered, other.reads].every((count) => count > 0)).toBe(true);
    expect((await a!.server.clusterStats()).total.history.appended).toBe(
      history.appended + (b === a ? 0 : other.appended),
    );
  });
});

it('refuses to boot where rooms have a history and the broker keeps none', async () => {
  const nodes = new ClusterNodes(undefined);
  const broker = Object.assign(new MemoryBroker(), { history: undefined, name: 'none', stop: async () => {} });
  await expect(nodes.start(ROOMS, broker)).rejects.toThrow('The broker none keeps no history of rooms');
  await nodes.stop();
});
