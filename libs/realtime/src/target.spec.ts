import { FakeNode, turn } from '../../../test/support/fakes/fake-node.js';
import { MemoryBroker } from './brokers/memory.js';
import type { Command } from './command.js';

let node: FakeNode;

beforeEach(async () => {
  node = await new FakeNode({ maxNameLength: 12, maxBufferedBytes: 2048, maxMessageBytes: 2048 }).start();
});

afterEach(() => node.engine.node.heartbeat.stop());

const open = (userId?: string, ...rooms: string[]) => node.opened({ userId, rooms });

/** The messages that each of them was sent. */
const heard = (...all: { socket: { sent: unknown[] } }[]) => all.map(({ socket }) => socket.sent.join());

describe('a room', () => {
  it('pushes to the members of a room only', async () => {
    const [ann, bob, eve] = [await open(undefined, 'a', 'b'), await open(undefined, 'a'), await open(undefined, 'b')];
    await node.server.to('a').push('to a');
    await node.server.to('b').push('to b');
    expect(heard(ann!, bob!, eve!)).toEqual(['to a,to b', 'to a', 'to b']);
  });

  it('accepts a push to a room that nobody is in', async () => {
    const ann = await open();
    await expect(node.server.to('nobody').push('x')).resolves.toEqual({ missing: [] });
    expect(heard(ann)).toEqual(['']);
  });

  it('lets a connection join and leave a room by itself', async () => {
    const ann = await open();
    await ann.connection.join('a');
    await node.server.to('a').push('in');
    await ann.connection.leave('a');
    await ann.connection.leave('never joined');
    await node.server.to('a').push('out');
    expect([heard(ann), [...ann.connection.rooms]]).toEqual([['in'], []]);
  });

  it('puts the members of a target into a room and takes them out', async () => {
    const [ann, bob] = [await open('7'), await open('8')];
    await node.server.toUser('7').join('a');
    expect([[...ann.connection.rooms], [...bob.connection.rooms]]).toEqual([['a'], []]);
    await node.server.to('a').push('in');
    await node.server.toEveryone().leave('a');
    await node.server.to('a').push('out');
    expect([heard(ann, bob), await node.server.to('a').count()]).toEqual([['in', ''], 0]);
  });

  it('moves a whole room into another room', async () => {
    const all = [await open(undefined, 'a'), await open(undefined, 'a'), await open()];
    await node.server.to('a').join('b');
    expect(await node.server.to('b').count()).toBe(2);
    await node.server.to('a').leave('a');
    expect([await node.server.to('a').count(), all[0]!.connection.rooms.has('b')]).toEqual([0, true]);
  });
});

describe('a user', () => {
  it('pushes to every tab of a user', async () => {
    const tabs = [await open('7'), await open('7'), await open('7')];
    const other = await open('8');
    await node.server.toUser('7').push('for you');
    expect(heard(...tabs, other)).toEqual(['for you', 'for you', 'for you', '']);
    tabs[1]!.socket.closes();
    await node.server.toUser('7').push('again');
    expect(heard(...tabs)).toEqual(['for you,again', 'for you', 'for you,again']);
  });

  it('keeps a user and a room of the same name apart', async () => {
    const [user, member] = [await open('x'), await open(undefined, 'x')];
    await node.server.toUser('x').push('user');
    await node.server.to('x').push('room');
    expect(heard(user, member)).toEqual(['user', 'room']);
  });
});

describe('everyone', () => {
  it('pushes to every connection, or to every connection of one path', async () => {
    const other = { name: 'Other', path: '/other' };
    const [ann, bob] = [await open(), await node.opened({}, { gateway: other })];
    await node.server.toEveryone().push('all');
    await node.server.toEveryone('/other').push('other');
    await node.server.toEveryone('/unknown').push('nobody');
    expect(heard(ann, bob)).toEqual(['all', 'all,other']);
  });
});

describe('one connection', () => {
  it('pushes to one connection by its id', async () => {
    const [ann, bob] = [await open(), await open()];
    await node.server.toConnection(ann.connection.id).push('you');
    await node.server.toConnection('unknown').push('nobody');
    expect(heard(ann, bob)).toEqual(['you', '']);
  });
});

describe('except', () => {
  it('leaves out one connection per except(), and several calls add up', async () => {
    const all = [await open(), await open(), await open()];
    const [a, b] = all.map(({ connection }) => connection.id);
    await node.server.toEveryone().except(a!).push('1');
    await node.server.toEveryone().except(a!).except(b!).push('2');
    expect(heard(...all)).toEqual(['', '1', '1,2']);
  });

  it('returns a new target from except() and leaves the old one as it was', async () => {
    const ann = await open();
    const everyone = node.server.toEveryone();
    const others = everyone.except(ann.connection.id);
    await everyone.push('all');
    await others.push('others');
    await others.except('unknown').push('others too');
    expect([heard(ann), await everyone.count(), await others.count()]).toEqual([['all'], 1, 0]);
  });

  it('leaves out the members of a room and the connections of a user, and adds them up', async () => {
    const [muted, bob, tab, eve] = [await open(undefined, 'muted'), await open('7'), await open('7'), await open('8')];
    await node.server.toEveryone().exceptRoom('muted').push('1');
    await node.server.toEveryone().exceptUser('7').push('2');
    await node.server.toEveryone().exceptRoom('muted').exceptUser('7').except(eve!.connection.id).push('3');
    expect(heard(muted!, bob!, tab!, eve!)).toEqual(['2', '1', '1', '1,2']);
  });

  it('leaves out those who are in the room when the command is delivered', async () => {
    const ann = await open();
    const others = node.server.toEveryone().exceptRoom('muted');
    await ann.connection.join('muted');
    await others.push('1');
    await ann.connection.leave('muted');
    await others.push('2');
    expect(heard(ann)).toEqual(['2']);
  });

  it('leaves members of an excepted room out of members() and count()', async () => {
    const [ann, bob] = [await open('7'), await open(undefined, 'muted')];
    const others = node.server.toEveryone().exceptRoom('muted');
    expect([await others.members(), await others.count()]).toEqual([[{ id: ann.connection.id, userId: '7' }], 1]);
    expect(await node.server.toEveryone().exceptUser('7').members()).toEqual([{ id: bob.connection.id }]);
  });

  it('keeps a room, a user and a connection of one name apart', async () => {
    const [user, member] = [await open('x'), await open(undefined, 'x')];
    await node.server.toEveryone().exceptUser('x').push('1');
    await node.server.toEveryone().exceptRoom('x').push('2');
    await node.server.toEveryone().except('x').push('3');
    expect(heard(user, member)).toEqual(['2,3', '1,3']);
  });

  it('delivers to every member of a room that its members join on the way', async () => {
    const all = [await open(undefined, 'a'), await open(undefined, 'a')];
    await node.server.to('a').exceptRoom('b').join('b');
    expect(all.map(({ connection }) => connection.rooms.has('b'))).toEqual([true, true]);
  });

  it('applies except() to join and disconnect too', async () => {
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
  it('lists and counts the members, with the user of each', async () => {
    const [ann, bob] = [await open('7', 'a'), await open(undefined, 'a')];
    await open('9');
    const room = node.server.to('a');
    expect(await room.members()).toEqual([{ id: ann.connection.id, userId: '7' }, { id: bob.connection.id }]);
    expect(await room.except(ann.connection.id).members()).toEqual([{ id: bob.connection.id }]);
    expect([await room.count(), await room.except(ann.connection.id).count()]).toEqual([2, 1]);
    expect([await node.server.toEveryone().count(), await node.server.toUser('9').count()]).toEqual([3, 1]);
  });

  it('lists members as plain data, so that no connection leaks out of the node', async () => {
    const { connection } = await open('7', 'a');
    const [member] = await node.server.to('a').members();
    expect(Object.keys(member!).sort()).toEqual(['id', 'userId']);
    expect(member).not.toBe(connection);
  });
});

describe('disconnect', () => {
  it('disconnects all members with 4500 by default, and onClose names the server', async () => {
    const { socket } = await open(undefined, 'a');
    await node.server.to('a').disconnect();
    await turn();
    expect(socket.closeFrame).toEqual({ code: 4500, reason: '' });
    expect(node.gateway.of('onClose')[0]!.close).toMatchObject({ code: 4500, initiator: 'server' });
  });

  it('disconnects with a given code and reason', async () => {
    const { socket } = await open();
    await node.server.toEveryone().disconnect(4123, 'full');
    expect(socket.closeFrame).toEqual({ code: 4123, reason: 'full' });
  });

  it('refuses a code or a reason that may not be sent, and closes nobody', async () => {
    const { socket } = await open();
    await expect(node.server.toEveryone().disconnect(1006)).rejects.toThrow(RangeError);
    await expect(node.server.toEveryone().disconnect(4500, 'x'.repeat(124))).rejects.toThrow(TypeError);
    await expect(node.server.toEveryone().disconnect(4500, new Uint8Array(4) as never)).rejects.toThrow(TypeError);
    expect(socket.closeFrame).toBeUndefined();
  });
});

describe('what is sent', () => {
  it('sends a string as text and bytes as binary', async () => {
    const { socket } = await open();
    await node.server.toEveryone().push('text');
    await node.server.toEveryone().push(new Uint8Array([1, 2]));
    await node.server.toEveryone().push(new Uint8Array([3, 4]).buffer);
    expect(socket.sent).toEqual(['text', Buffer.from([1, 2]), Buffer.from([3, 4])]);
  });

  it('sends an envelope with emit()', async () => {
    const { socket } = await open();
    await node.server.toEveryone().emit('news', { id: 1 });
    await node.server.toEveryone().emit('ping');
    expect(socket.sent).toEqual(['{"event":"news","data":{"id":1}}', '{"event":"ping"}']);
  });

  it.each([[undefined], [null], [5], [{ text: 'x' }]])(
    'refuses to push %j, which is neither text nor bytes',
    async (data) => {
      await open();
      await expect(node.server.toEveryone().push(data as never)).rejects.toThrow(TypeError);
    },
  );

  it('refuses to emit data that JSON cannot hold', async () => {
    await expect(node.server.toEveryone().emit('x', 1n)).rejects.toThrow(TypeError);
  });

  it('refuses a message that is longer than the limit of one client, and sends it to nobody', async () => {
    const { socket } = await open();
    await expect(node.server.toEveryone().push('x'.repeat(2049))).rejects.toMatchObject({ code: 'too_big' });
    await expect(node.server.toEveryone().emit('x', 'x'.repeat(2048))).rejects.toMatchObject({ code: 'too_big' });
    await node.server.toEveryone().push('x'.repeat(2048));
    expect([socket.sent.length, socket.closeFrame]).toEqual([1, undefined]);
  });

  it('closes a client that does not read with 4001, and reaches the others', async () => {
    const [slow, quick] = [await open(), await open()];
    await node.server.toEveryone().push('1');
    slow.socket.bufferedBytes = 1_000_000;
    await node.server.toEveryone().push('2');
    expect([slow.socket.closeFrame?.code, quick.socket.closeFrame]).toEqual([4001, undefined]);
    expect(heard(slow, quick)).toEqual(['1', '1,2']);
  });
});

describe('names', () => {
  it.each(['__proto__', 'constructor', 'error', 'hasOwn', 'r:x', 'a b', '*'])(
    'accepts %j as the name of a room and of a user',
    async (name) => {
      const ann = await open(name);
      await ann.connection.join(name);
      const other = await open();
      await node.server.to(name).push('room');
      await node.server.toUser(name).push('user');
      expect([heard(ann, other), await node.server.to(name).count()]).toEqual([['room,user', ''], 1]);
    },
  );

  it.each([
    ['empty', ''],
    ['longer than the setting', 'x'.repeat(13)],
    ['not a string', 5 as never],
  ])('refuses a name that is %s', async (_what, name) => {
    const { connection } = await open();
    await expect(connection.join(name)).rejects.toMatchObject({ code: 'bad_name' });
    await expect(node.server.toEveryone().join(name)).rejects.toMatchObject({ code: 'bad_name' });
    await expect(node.server.to('nobody').join(name)).rejects.toMatchObject({ code: 'bad_name' });
    expect(connection.rooms.size).toBe(0);
  });
});

describe('names of events', () => {
  it.each(['', 'x'.repeat(13), 5 as never])('refuses a bad name of an event (%#)', async (name) => {
    const { connection, socket } = await open();
    await expect(node.server.toEveryone().emit(name, 1)).rejects.toMatchObject({ code: 'bad_name' });
    expect([connection.emit(name, 1), socket.sent]).toEqual([false, []]);
    expect(node.log.with('emit failed')).toHaveLength(1);
  });

  it('counts and logs names of events that are too long', async () => {
    const { connection } = await open();
    connection.emit('x'.repeat(13));
    await expect(node.server.to('a').emit('x'.repeat(13))).rejects.toThrow('REALTIME_MAX_NAME_LENGTH');
    expect(node.engine.node.limits.counts.nameLength).toBe(2);
    expect(node.log.with('limit=nameLength')).toEqual([
      'warn Realtime limit reached limit=nameLength name=event characters=13 setting=REALTIME_MAX_NAME_LENGTH',
    ]);
    expect(connection.emit('x'.repeat(12))).toBe(true);
  });
});

describe('a broker', () => {
  it('rejects a push that the broker cannot publish', async () => {
    class DeafBroker extends MemoryBroker {
      readonly published: Command[] = [];
      override publish(command: Command): never {
        this.published.push(command);
        return Promise.reject(new Error('no network')) as never;
      }
    }
    const deaf = new DeafBroker();
    const { server } = await new FakeNode({}, deaf).start();
    await expect(server.to('a').except('x').push('lost')).rejects.toThrow('no network');
    expect(deaf.published[0]).toMatchObject({ channel: 'r:a', except: ['c:x'], action: { kind: 'push' } });
    await expect(server.to('a').exceptRoom('b').exceptUser('7').leave('c')).rejects.toThrow('no network');
    // Plain data: what a broker sends is what another node reads
    expect(JSON.parse(JSON.stringify(deaf.published[1]))).toEqual({
      ...{ channel: 'r:a', except: ['r:b', 'u:7'], action: { kind: 'leave', room: 'c' } },
    });
  });
});
