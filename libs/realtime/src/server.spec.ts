import { jest } from '@jest/globals';
import { FakeNode, turn } from '../../../test/support/fakes/fake-node.js';

let node: FakeNode;

beforeEach(async () => {
  jest.useFakeTimers();
  node = await new FakeNode({ maxNameLength: 8, maxBufferedBytes: 2048 }).start();
});

afterEach(() => {
  node.engine.node.heartbeat.stop();
  jest.useRealTimers();
});

/** Opens this many connections, in this order. */
async function openMany(count: number) {
  const opened = [];
  for (let index = 0; index < count; index++) opened.push(await node.opened());
  return opened;
}

describe('before the first client', () => {
  it('answers every call before the first client, and pushing to nobody is not an error', async () => {
    const { server } = node;
    await server.toEveryone().push('x');
    expect(await server.push('unknown', 'x')).toBe(false);
    expect(await server.list()).toEqual({ items: [] });
    expect(await server.toEveryone().count()).toBe(0);
    expect(server.connections.size).toBe(0);
    expect(await server.stats()).toMatchObject({ current: 0, accepted: 0, refused: 0, rooms: 0, users: 0 });
  });

  it('accepts a push before the start, which reaches nobody', async () => {
    const { server } = new FakeNode();
    await expect(server.toEveryone().push('x')).resolves.toEqual({ missing: [] });
  });
});

describe('push and disconnect by id', () => {
  it('returns from push() whether the connection took the message', async () => {
    const { socket, connection } = await node.opened();
    expect(await node.server.push(connection.id, 'x')).toBe(true);
    expect(socket.sent).toEqual(['x']);
    connection.close();
    expect(await node.server.push(connection.id, 'y')).toBe(false);
    await turn();
    expect(await node.server.push(connection.id, 'z')).toBe(false);
    expect(socket.sent).toEqual(['x']);
  });

  it.each(['', 'unknown', '__proto__', 'constructor'])('returns false for a push to the unknown id %j', async (id) => {
    await node.opened();
    expect(await node.server.push(id, 'x')).toBe(false);
  });

  it('refuses to push what cannot be sent, even to an unknown id', async () => {
    await expect(node.server.push('unknown', {} as never)).rejects.toThrow(TypeError);
    await expect(node.server.push('unknown', 'x'.repeat(2049))).rejects.toMatchObject({ code: 'too_big' });
  });

  it('returns false for a push to a client that does not read, and closes it', async () => {
    const { socket, connection } = await node.opened();
    socket.bufferedBytes = 1_000_000;
    expect(await node.server.push(connection.id, 'x')).toBe(false);
    expect([socket.closeFrame?.code, socket.sent]).toEqual([4001, []]);
  });

  it('disconnects with 4500, or with the given code and reason', async () => {
    const [ann, bob] = await openMany(2);
    expect(await node.server.disconnect(ann!.connection.id)).toBe(true);
    expect(await node.server.disconnect(bob!.connection.id, 4501, 'log in again')).toBe(true);
    expect([ann!.socket.closeFrame, bob!.socket.closeFrame]).toEqual([
      { code: 4500, reason: '' },
      { code: 4501, reason: 'log in again' },
    ]);
  });

  it('returns false for the disconnect of an unknown id', async () => {
    expect(await node.server.disconnect('unknown')).toBe(false);
  });

  it('refuses to disconnect with a code or a reason that may not be sent, even an unknown id', async () => {
    await expect(node.server.disconnect('unknown', 1005)).rejects.toThrow(RangeError);
    await expect(node.server.disconnect('unknown', 4500, 'é'.repeat(62))).rejects.toThrow(TypeError);
  });
});

describe('what is known of a connection', () => {
  it('reports that a connection exists while it is open', async () => {
    const { socket, connection } = await node.opened();
    expect(await node.server.exists(connection.id)).toBe(true);
    socket.closes();
    expect([await node.server.exists(connection.id), await node.server.exists('__proto__')]).toEqual([false, false]);
  });

  it('describes a connection as plain data', async () => {
    const { socket, connection } = await node.opened({ userId: '7', rooms: ['a'] }, { protocol: 'chat' });
    expect((await node.server.info(connection.id))?.lastSentAt).toBeUndefined();
    jest.advanceTimersByTime(500);
    socket.sends('12345');
    connection.send('123');
    jest.advanceTimersByTime(1500);
    const info = await node.server.info(connection.id);
    expect(info).toEqual({
      ...{ id: connection.id, transport: 'websocket', path: '/ws', address: '192.0.2.7', protocol: 'chat' },
      ...{ userId: '7', rooms: ['a'], openedAt: connection.openedAt, silentForMs: 1500, bufferedBytes: 0 },
      ...{ messagesIn: 1, messagesOut: 1, bytesIn: 5, bytesOut: 3 },
      ...{ state: 'open', lastSentAt: connection.openedAt + 500 },
    });
    expect(JSON.parse(JSON.stringify(info))).toEqual(info);
  });

  it('counts a connection that is closing until its wire is gone, and says that it is closing', async () => {
    const { socket, connection } = await node.opened({ rooms: ['a'] }, { answers: 'by hand' });
    expect([connection.isOpen, connection.data]).toEqual([true, {}]);
    connection.close();
    expect([connection.isOpen, (await node.server.info(connection.id))?.state]).toEqual([false, 'closing']);
    expect([await node.server.exists(connection.id), await node.server.to('a').count()]).toEqual([true, 1]);
    socket.answer();
    expect([await node.server.exists(connection.id), await node.server.to('a').count()]).toEqual([false, 0]);
  });

  it('returns undefined as the info of an unknown id', async () => {
    expect(await node.server.info('unknown')).toBeUndefined();
  });

  it('has the open connections in `connections`, oldest first', async () => {
    const [ann, bob] = await openMany(2);
    expect([...node.server.connections.values()]).toEqual([ann!.connection, bob!.connection]);
    ann!.socket.closes();
    expect([...node.server.connections.keys()]).toEqual([bob!.connection.id]);
  });
});

describe('replace', () => {
  const replaced = { code: 4503, reason: 'replaced by a newer connection' };

  it('closes the oldest connections of a user above the number that is kept', async () => {
    const tabs = [];
    for (let tab = 0; tab < 4; tab++) tabs.push(await node.opened({ userId: '7', replace: { keep: 2 } }));
    const other = await node.opened({ userId: '8' });
    expect([...tabs, other].map(({ socket }) => socket.closeFrame)).toEqual([
      replaced,
      replaced,
      ...[undefined, undefined, undefined],
    ]);
  });

  it('does not count a connection that is closing already', async () => {
    const [first, second] = [
      await node.opened({ userId: '7' }),
      await node.opened({ userId: '7' }, { answers: 'by hand' }),
    ];
    second.connection.close();
    await node.opened({ userId: '7', replace: { keep: 2 } });
    expect([first.socket.closeFrame, second.socket.closeFrame?.code]).toEqual([undefined, 1000]);
  });

  it('closes the oldest connections of the user to whom a connection is bound', async () => {
    const [first, second] = [await node.opened({ userId: '7' }), await node.opened({ userId: '7' })];
    const { socket, connection } = await node.opened();
    expect(await node.server.bind(connection.id, '7', { replace: { keep: 2 } })).toBe(true);
    expect([first, second, { socket }].map(({ socket: { closeFrame } }) => closeFrame?.code)).toEqual([
      ...[4503, undefined, undefined],
    ]);
  });

  it.each([0, -1, 1.5, NaN, '2' as never])('refuses to keep %p connections', async (keep) => {
    const { connection } = await node.opened();
    const bound = node.server.bind(connection.id, '7', { replace: { keep } });
    await expect(bound).rejects.toMatchObject({ code: 'bad_keep' });
    expect(connection.userId).toBeUndefined();
  });
});

describe('bind', () => {
  it('binds a connection to a user, in place of the one that it had', async () => {
    const { socket, connection } = await node.opened({ userId: '7' });
    expect(await node.server.bind(connection.id, '8')).toBe(true);
    await node.server.toUser('7').push('seven');
    await node.server.toUser('8').push('eight');
    expect([connection.userId, socket.sent, (await node.server.stats()).users]).toEqual(['8', ['eight'], 1]);
  });

  it('changes nothing when a connection is bound to its own user again', async () => {
    const { connection } = await node.opened({ userId: '7' });
    await node.server.bind(connection.id, '7');
    expect(await node.server.toUser('7').members()).toEqual([{ id: connection.id, userId: '7' }]);
  });

  it('returns false when an unknown id is bound', async () => {
    expect(await node.server.bind('unknown', '7')).toBe(false);
  });

  it.each(['', 'x'.repeat(9), 7 as never])('refuses to bind to the user id %j', async (userId) => {
    const { connection } = await node.opened({ userId: '7' });
    await expect(node.server.bind(connection.id, userId)).rejects.toMatchObject({ code: 'bad_name' });
    await expect(node.server.bind('unknown', userId)).rejects.toMatchObject({ code: 'bad_name' });
    expect(connection.userId).toBe('7');
  });
});

describe('list', () => {
  const pageIds = async (options?: { after?: string; limit?: number }) => {
    const { items, next } = await node.server.list(options);
    return { ids: items.map(({ id }) => id), next };
  };

  it('lists all connections in pages, oldest first, each once', async () => {
    const ids = (await openMany(7)).map(({ connection }) => connection.id);
    const first = await pageIds({ limit: 3 });
    const second = await pageIds({ limit: 3, after: first.next });
    const third = await pageIds({ limit: 3, after: second.next });
    expect([first.ids, second.ids, third.ids]).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
    expect([first.next, second.next, third.next]).toEqual([ids[2], ids[5], undefined]);
  });

  it('returns no cursor when the last page is full', async () => {
    await openMany(3);
    expect((await pageIds({ limit: 3 })).next).toBeUndefined();
  });

  it('lists 100 connections per page by default', async () => {
    await openMany(101);
    const { ids, next } = await pageIds();
    expect([ids.length, next]).toEqual([100, ids[99]]);
    expect((await pageIds({ after: next })).ids).toHaveLength(1);
  });

  it('continues after the cursor when its connection has closed', async () => {
    const all = await openMany(5);
    const { next } = await pageIds({ limit: 2 });
    all[1]!.socket.closes();
    all[0]!.socket.closes();
    const rest = all.slice(2).map(({ connection }) => connection.id);
    expect((await pageIds({ after: next })).ids).toEqual(rest);
  });

  it('lists new connections on the last page', async () => {
    const all = await openMany(2);
    const { connection } = await node.opened();
    expect((await pageIds({ after: all[1]!.connection.id })).ids).toEqual([connection.id]);
  });

  it('keeps the order past the thirty-sixth and the thousandth connection', async () => {
    const all = await openMany(1300);
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const page = await pageIds({ limit: 100, after });
      seen.push(...page.ids);
      after = page.next;
    }
    expect(seen).toEqual(all.map(({ connection }) => connection.id));
  });

  it('lists nothing after the last connection', async () => {
    const [ann] = await openMany(1);
    expect(await pageIds({ after: ann!.connection.id })).toEqual({ ids: [], next: undefined });
  });

  it('accepts the id of a connection of another node as a cursor', async () => {
    const [ann] = await openMany(1);
    const [before, behind] = ['!', '~'].map((first) => `${first}${node.engine.node.id}.5`);
    expect((await pageIds({ after: before })).ids).toEqual([ann!.connection.id]);
    expect((await pageIds({ after: behind })).ids).toEqual([]);
  });

  it.each([0, -1, 101, 1.5, NaN, Infinity, '5' as never])('refuses %p as the limit of a list', async (limit) => {
    await expect(node.server.list({ limit })).rejects.toThrow(RangeError);
  });

  it.each(['', '.', 'hello', 'no counter.', '.1', 'node.1 2', 'node.-1', 'node.!', 5 as never])(
    'refuses %j as a cursor, because it is not a connection id',
    async (after) => {
      await expect(node.server.list({ after })).rejects.toMatchObject({ code: 'bad_cursor' });
    },
  );
});

describe('stats', () => {
  it('counts messages and bytes in both directions, rooms and users', async () => {
    const { socket, connection } = await node.opened({ userId: '7', rooms: ['a', 'b'] });
    const other = await node.opened({ userId: '7', rooms: ['a'] });
    socket.sends('12345');
    connection.send('é');
    await node.server.toEveryone().push(Buffer.alloc(10));
    expect(await node.server.stats()).toMatchObject({
      ...{ current: 2, accepted: 2, rooms: 2, users: 1 },
      ...{ messagesIn: 1, bytesIn: 5, messagesOut: 3, bytesOut: 22 },
    });
    other.socket.closes();
    expect(await node.server.stats()).toMatchObject({ current: 1, accepted: 2, closed: { client: 1 }, users: 1 });
  });

  it('does not count messages that were not sent', async () => {
    const { connection } = await node.opened();
    connection.close();
    connection.send('late');
    await node.server.toEveryone().push('late');
    expect(await node.server.stats()).toMatchObject({ messagesOut: 0, bytesOut: 0 });
  });

  it('reports when the module started', async () => {
    expect((await node.server.stats()).startedAt).toBe(Date.now());
  });

  it('returns stats as a copy that can be written to without effect', async () => {
    const stats = await node.server.stats();
    Object.assign(stats, { accepted: 99 });
    Object.assign(stats.closed, { client: 99 });
    expect(await node.server.stats()).toMatchObject({ accepted: 0, closed: { client: 0 } });
  });
});
