import { FakeNode } from '../../../../test/support/fakes/fake-node.js';
import type { RealtimeOptions } from '../settings/options.js';

let node: FakeNode;

async function opened(options: RealtimeOptions = {}) {
  node = await new FakeNode({ maxRoomsPerConnection: 3, maxNameLength: 8, ...options }).start();
  return node.opened();
}

const stats = () => node.server.stats();

describe('the rooms of a connection', () => {
  it('has the rooms that the connection joined and did not leave', async () => {
    const { connection } = await opened();
    for (const room of ['a', 'b', 'a']) await connection.join(room);
    await connection.leave('a');
    await connection.leave('never');
    expect([...connection.rooms]).toEqual(['b']);
    expect([await node.server.to('a').count(), await node.server.to('b').count()]).toEqual([0, 1]);
  });

  it('refuses, counts and logs one room above the limit, and keeps the others', async () => {
    const { connection } = await opened();
    for (const room of ['a', 'b', 'c']) await connection.join(room);
    await expect(connection.join('d')).rejects.toMatchObject({ code: 'too_many_rooms' });
    await expect(connection.join('a')).resolves.toBeUndefined();
    await connection.leave('a');
    await expect(connection.join('d')).resolves.toBeUndefined();
    expect([...connection.rooms]).toEqual(['b', 'c', 'd']);
    expect((await stats()).limits.rooms).toBe(1);
    expect(node.log.with('limit=rooms')).toEqual([
      `warn Realtime limit reached limit=rooms id=${connection.id} rooms=3 setting=REALTIME_MAX_ROOMS_PER_CONNECTION`,
    ]);
  });

  it('applies the limit of rooms to joins through a target', async () => {
    const { connection } = await opened();
    for (const room of ['a', 'b', 'c', 'd']) await node.server.toEveryone().join(room);
    expect(connection.rooms.size).toBe(3);
    expect(node.log.with('join failed')).toEqual([
      expect.stringMatching(
        /^warn WebSocket join failed id=\S+ error="RealtimeError: A connection may be in at most 3 rooms/,
      ),
    ]);
  });

  it('joins any number of rooms in report-only mode', async () => {
    const { connection } = await opened({ limits: 'report' });
    for (const room of ['a', 'b', 'c', 'd', 'e']) await connection.join(room);
    expect([connection.rooms.size, (await stats()).limits.rooms]).toEqual([5, 2]);
  });

  it('does not check the names of an identity again', async () => {
    node = await new FakeNode({ maxRoomsPerConnection: 1, maxNameLength: 2, limits: 'report' }).start();
    const { connection } = await node.opened({ userId: 'anna', rooms: ['aaa', 'b'] });
    expect([connection.userId, [...connection.rooms]]).toEqual(['anna', ['aaa', 'b']]);
    const { limits, rooms, users } = await stats();
    expect([limits.nameLength, limits.rooms, rooms, users]).toEqual([0, 0, 2, 1]);
  });

  it('accepts names of rooms that every object has as properties', async () => {
    const names = ['__proto__', 'toString', 'valueOf', 'error', 'r:', 'u:', '*'];
    const { connection } = await opened({ maxRoomsPerConnection: 10, maxNameLength: 20 });
    for (const name of names) await connection.join(name);
    expect([...connection.rooms]).toEqual(names);
    for (const name of names) expect(await node.server.to(name).count()).toBe(1);
    for (const name of ['constructor', 'hasOwnProperty', '']) expect(await node.server.to(name).count()).toBe(0);
  });

  it.each(['', 'x'.repeat(9), 'x'.repeat(1_048_576), 5 as never, null as never, ['a'] as never])(
    'refuses a bad name of a room or user (%#)',
    async (name) => {
      const { connection } = await opened();
      await expect(connection.join(name)).rejects.toMatchObject({ code: 'bad_name' });
      await expect(node.server.bind(connection.id, name)).rejects.toMatchObject({ code: 'bad_name' });
      expect([connection.rooms.size, connection.userId]).toEqual([0, undefined]);
    },
  );

  it('keeps the rooms readable after the end, and joins, leaves and binds nothing more', async () => {
    const { connection, socket } = await opened();
    await connection.join('a');
    socket.vanishes();
    await connection.join('b');
    await connection.leave('a');
    connection.obey({ kind: 'bind', userId: 'ann' });
    expect([[...connection.rooms], connection.userId]).toEqual([['a'], undefined]);
    expect([(await stats()).rooms, (await stats()).users]).toEqual([0, 0]);
  });
});

describe('the user of a connection', () => {
  it('binds a connection to one user at a time', async () => {
    const { connection } = await opened();
    connection.obey({ kind: 'bind', userId: 'ann' });
    connection.obey({ kind: 'bind', userId: 'bob' });
    expect([
      connection.userId,
      await node.server.toUser('ann').count(),
      await node.server.toUser('bob').count(),
    ]).toEqual([...['bob', 0, 1]]);
    expect((await stats()).users).toBe(1);
  });

  it('keeps a connection that is bound to its own user again in the channel of that user', async () => {
    const { connection } = await opened();
    connection.obey({ kind: 'bind', userId: 'ann' });
    connection.obey({ kind: 'bind', userId: 'ann' });
    expect(await node.server.toUser('ann').count()).toBe(1);
  });
});
