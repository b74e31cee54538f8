import { jest } from '@jest/globals';
import { FakeNode, turn } from '../../../test/support/fakes/recording-gateway.js';
import { Broker } from './broker.js';
import type { Command } from './command.js';

let node: FakeNode;

beforeEach(async () => {
  node = await new FakeNode({ maxNameLength: 12, maxBufferedBytes: 2048, maxMessageBytes: 2048 }).start();
});

afterEach(() => node.engine.node.heartbeat.stop());

const open = (userId?: string, ...rooms: string[]) => node.opened({ userId, rooms });

/** What each of them has been sent. */
const heard = (...all: { socket: { sent: unknown[] } }[]) => all.map(({ socket }) => socket.sent.join());

describe('a room', () => {
  it('gets what is pushed to it, its members alone', async () => {
    const [ann, bob, eve] = [await open(undefined, 'a', 'b'), await open(undefined, 'a'), await open(undefined, 'b')];
    await node.server.to('a').push('to a');
    await node.server.to('b').push('to b');
    expect(heard(ann!, bob!, eve!)).toEqual(['to a,to b', 'to a', 'to b']);
  });

  it('that nobody is in takes a push without error', async () => {
    const ann = await open();
    await expect(node.server.to('nobody').push('x')).resolves.toBeUndefined();
    expect(heard(ann)).toEqual(['']);
  });

  it('is joined and left by a connection itself', async () => {
    const ann = await open();
    await ann.connection.join('a');
    await node.server.to('a').push('in');
    await ann.connection.leave('a');
    await ann.connection.leave('never joined');
    await node.server.to('a').push('out');
    expect([heard(ann), [...ann.connection.rooms]]).toEqual([['in'], []]);
  });

  it('is joined and left by others through a target', async () => {
    const [ann, bob] = [await open('7'), await open('8')];
    await node.server.toUser('7').join('a');
    expect([[...ann.connection.rooms], [...bob.connection.rooms]]).toEqual([['a'], []]);
    await node.server.to('a').push('in');
    await node.server.toEveryone().leave('a');
    await node.server.to('a').push('out');
    expect([heard(ann, bob), await node.server.to('a').count()]).toEqual([['in', ''], 0]);
  });

  it('moves as a whole into another room', async () => {
    const all = [await open(undefined, 'a'), await open(undefined, 'a'), await open()];
    await node.server.to('a').join('b');
    expect(await node.server.to('b').count()).toBe(2);
    await node.server.to('a').leave('a');
    expect([await node.server.to('a').count(), all[0]!.connection.rooms.has('b')]).toEqual([0, true]);
  });
});

describe('a user', () => {
  it('gets a push in every tab', async () => {
    const tabs = [await open('7'), await open('7'), await open('7')];
    const other = await open('8');
    await node.server.toUser('7').push('for you');
    expect(heard(...tabs, other)).toEqual(['for you', 'for you', 'for you', '']);
    tabs[1]!.socket.closes();
    await node.server.toUser('7').push('again');
    expect(heard(...tabs)).toEqual(['for you,again', 'for you', 'for you,again']);
  });

  it('is no room of the same name', async () => {
    const [user, member] = [await open('x'), await open(undefined, 'x')];
    await node.server.toUser('x').push('user');
    await node.server.to('x').push('room');
    expect(heard(user, member)).toEqual(['user', 'room']);
  });
});

describe('everyone', () => {
  it('is every connection, or every connection of one path', async () => {
    const other = { name: 'Other', path: '/other' };
    const [ann, bob] = [await open(), await node.opened({}, { gateway: other })];
    await node.server.toEveryone().push('all');
    await node.server.toEveryone('/other').push('other');
    await node.server.toEveryone('/unknown').push('nobody');
    expect(heard(ann, bob)).toEqual(['all', 'all,other']);
  });
});

describe('one connection', () => {
  it('gets what is pushed to its id', async () => {
    const [ann, bob] = [await open(), await open()];
    await node.server.toConnection(ann.connection.id).push('you');
    await node.server.toConnection('unknown').push('nobody');
    expect(heard(ann, bob)).toEqual(['you', '']);
  });
});

describe('except', () => {
  it('leaves one out, and adds up', async () => {
    const all = [await open(), await open(), await open()];
    const [a, b] = all.map(({ connection }) => connection.id);
    await node.server.toEveryone().except(a!).push('1');
    await node.server.toEveryone().except(a!).except(b!).push('2');
    expect(heard(...all)).toEqual(['', '1', '1,2']);
  });

  it('gives a new target and leaves the old one as it was', async () => {
    const ann = await open();
    const everyone = node.server.toEveryone();
    const others = everyone.except(ann.connection.id);
    await everyone.push('all');
    await others.push('others');
    await others.except('unknown').push('others too');
    expect([heard(ann), await everyone.count(), await others.count()]).toEqual([['all'], 1, 0]);
  });

  it('holds for join, leave and disconnect too', async () => {
    const [ann, bob] = [await open(), await open()];
    const others = node.server.toEveryone().except(ann.connection.id);
    await others.join('a');
    expect(await node.server.to('a').members()).toEqual([{ id: bob.connection.id }]);
    await others.disconnect();
    await turn();
    expect([ann.socket.isGone, bob.socket.isGone]).toEqual([false, true]);
  });
});

describe('members and count', () => {
  it('tell who is there, with the user of each', async () => {
    const [ann, bob] = [await open('7', 'a'), await open(undefined, 'a')];
    await open('9');
    const room = node.server.to('a');
    expect(await room.members()).toEqual([{ id: ann.connection.id, userId: '7' }, { id: bob.connection.id }]);
    expect(await room.except(ann.connection.id).members()).toEqual([{ id: bob.connection.id }]);
    expect([await room.count(), await room.except(ann.connection.id).count()]).toEqual([2, 1]);
    expect([await node.server.toEveryone().count(), await node.server.toUser('9').count()]).toEqual([3, 1]);
  });

  it('are plain data: no connection leaks out of the node', async () => {
    const { connection } = await open('7', 'a');
    const [member] = await node.server.to('a').members();
    expect(Object.keys(member!).sort()).toEqual(['id', 'userId']);
    expect(member).not.toBe(connection);
  });
});

describe('disconnect', () => {
  it('closes all members with 4500 by default, and onClose names the server', async () => {
    const { socket } = await open(undefined, 'a');
    await node.server.to('a').disconnect();
    await turn();
    expect(socket.closeFrame).toEqual({ code: 4500, reason: '' });
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 4500, initiator: 'server' });
  });

  it('takes a code and a reason', async () => {
    const { socket } = await open();
    await node.server.toEveryone().disconnect(4123, 'full');
    expect(socket.closeFrame).toEqual({ code: 4123, reason: 'full' });
  });

  it('refuses what may not be sent, and closes nobody', async () => {
    const { socket } = await open();
    await expect(node.server.toEveryone().disconnect(1006)).rejects.toThrow(RangeError);
    await expect(node.server.toEveryone().disconnect(4500, 'x'.repeat(124))).rejects.toThrow(TypeError);
    await expect(node.server.toEveryone().disconnect(4500, new Uint8Array(4) as never)).rejects.toThrow(TypeError);
    expect(socket.closeFrame).toBeUndefined();
  });
});

describe('what is sent', () => {
  it('is text for a string and binary for bytes', async () => {
    const { socket } = await open();
    await node.server.toEveryone().push('text');
    await node.server.toEveryone().push(new Uint8Array([1, 2]));
    await node.server.toEveryone().push(new Uint8Array([3, 4]).buffer);
    expect(socket.sent).toEqual(['text', Buffer.from([1, 2]), Buffer.from([3, 4])]);
  });

  it('is an envelope with emit', async () => {
    const { socket } = await open();
    await node.server.toEveryone().emit('news', { id: 1 });
    await node.server.toEveryone().emit('ping');
    expect(socket.sent).toEqual(['{"event":"news","data":{"id":1}}', '{"event":"ping"}']);
  });

  it.each([[undefined], [null], [5], [{ text: 'x' }]])(
    'is refused when it is neither text nor bytes: %j',
    async (data) => {
      await open();
      await expect(node.server.toEveryone().push(data as never)).rejects.toThrow(TypeError);
    },
  );

  it('is refused when JSON cannot hold it', async () => {
    await expect(node.server.toEveryone().emit('x', 1n)).rejects.toThrow(TypeError);
  });

  it('is refused as a whole when it is longer than what may wait for one client', async () => {
    const { socket } = await open();
    await expect(node.server.toEveryone().push('x'.repeat(2049))).rejects.toMatchObject({ code: 'too_big' });
    await expect(node.server.toEveryone().emit('x', 'x'.repeat(2048))).rejects.toMatchObject({ code: 'too_big' });
    await node.server.toEveryone().push('x'.repeat(2048));
    expect([socket.sent.length, socket.closeFrame]).toEqual([1, undefined]);
  });

  it('closes with 4001 the client that does not read, and reaches the others', async () => {
    const [slow, quick] = [await open(), await open()];
    await node.server.toEveryone().push('1');
    slow.socket.bufferedBytes = 1_000_000;
    await node.server.toEveryone().push('2');
    expect([slow.socket.closeFrame?.code, quick.socket.closeFrame]).toEqual([4001, undefined]);
    expect(heard(slow, quick)).toEqual(['1', '1,2']);
  });
});

describe('names', () => {
  it.each(['__proto__', 'constructor', 'error', 'hasOwn', 'r:x', 'a b', '*'])('may be %j', async (name) => {
    const ann = await open(name);
    await ann.connection.join(name);
    const other = await open();
    await node.server.to(name).push('room');
    await node.server.toUser(name).push('user');
    expect([heard(ann, other), await node.server.to(name).count()]).toEqual([['room,user', ''], 1]);
  });

  it.each([
    ['empty', ''],
    ['longer than the setting', 'x'.repeat(13)],
    ['no string', 5 as never],
  ])('are refused when %s', async (_what, name) => {
    const { connection } = await open();
    await expect(connection.join(name)).rejects.toMatchObject({ code: 'bad_name' });
    await expect(node.server.toEveryone().join(name)).rejects.toMatchObject({ code: 'bad_name' });
    await expect(node.server.to('nobody').join(name)).rejects.toMatchObject({ code: 'bad_name' });
    expect(connection.rooms.size).toBe(0);
  });
});

describe('names of events', () => {
  it.each(['', 'x'.repeat(13), 5 as never])('are refused when they are bad (%#)', async (name) => {
    const { connection, socket } = await open();
    await expect(node.server.toEveryone().emit(name, 1)).rejects.toMatchObject({ code: 'bad_name' });
    expect([connection.emit(name, 1), socket.sent]).toEqual([false, []]);
    expect(node.log.with('emit failed')).toHaveLength(1);
  });

  it('that are too long are counted and logged', async () => {
    const { connection } = await open();
    connection.emit('x'.repeat(13));
    await expect(node.server.to('a').emit('x'.repeat(13))).rejects.toThrow('REALTIME_MAX_NAME_LENGTH');
    expect(node.engine.node.limits.counts.nameLength).toBe(2);
    expect(node.log.with('limit=nameLength')).toEqual([
      'warn WebSocket limit reached limit=nameLength name=event characters=13',
    ]);
    expect(connection.emit('x'.repeat(12))).toBe(true);
  });
});

describe('a broker', () => {
  it('that cannot publish makes the push reject', async () => {
    class DeafBroker extends Broker {
      readonly name = 'deaf';
      readonly published: Command[] = [];
      start = async () => {};
      stop = async () => {};
      subscribe = async () => {};
      unsubscribe = async () => {};
      publish = jest.fn((command: Command) => {
        this.published.push(command);
        return Promise.reject(new Error('no network'));
      });
    }
    const deaf = new DeafBroker();
    const { server } = await new FakeNode({}, deaf).start();
    await expect(server.to('a').except('x').push('lost')).rejects.toThrow('no network');
    expect(deaf.published[0]).toMatchObject({ channel: 'r:a', except: new Set(['x']), action: { kind: 'push' } });
  });
});
