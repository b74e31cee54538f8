import { clientIn, FakeWorld } from '../../../test/support/fakes/client-world.js';
import type { RealtimeSocket } from './socket.js';

let world: FakeWorld;
let client: RealtimeSocket;
/** The events of the room `tea`, in order. */
let events: unknown[];

beforeEach(async () => {
  world = new FakeWorld();
  ({ client } = await clientIn(world));
  events = [];
  client
    .room('tea')
    .on('joined', () => events.push('joined'))
    .on('recovered', () => events.push('recovered'))
    .on('gap', (gap) => events.push(gap))
    .on('left', () => events.push('left'));
  world.socket.open();
});

const joined = (more: object = {}) => ({ room: 'tea', key: 'k3f9a0Bz', position: '5.aaaaaa', ...more });
const price = (n: number) => world.socket.say('price', n, { room: 'tea', position: `${n}.bbbbbb` });
/** A new connection, on another node or after the grace. */
const comeBack = async () => {
  world.socket.end();
  await world.failUntil(world.sockets.length + 1);
  world.socket.open({ session: `s${world.sockets.length}`, id: 'n.2' });
};

describe('a room with history', () => {
  it('is presented in the hello by its key, with the position of the last message', async () => {
    world.socket.say('rt:joined', joined());
    expect(client.room('tea')).toMatchObject({ name: 'tea', position: '5.aaaaaa', isJoined: true });
    price(6);
    await comeBack();
    expect(world.socket.hello).toMatchObject({ rooms: { k3f9a0Bz: '6.bbbbbb' } });
  });

  it('moves its position before the handler runs, and drops and counts what came before', () => {
    const heard: unknown[] = [];
    client.on('price', (n, { position }) => heard.push([n, client.room('tea').position === position]));
    world.socket.say('rt:joined', joined());
    for (const n of [6, 7, 6, 7, 8, 5]) price(n);
    expect(heard).toEqual([6, 7, 8].map((n) => [n, true]));
    expect(client.duplicates).toBe(3);
  });

  it('misses nothing when it joins for the first time and is sent the last messages before', () => {
    for (const n of [3, 4, 5]) price(n);
    world.socket.say('rt:joined', joined());
    expect(events).toEqual(['joined']);
  });

  it.each([
    ['recovered', { recovered: true }, ['joined', 'recovered']],
    ['not recovered', { recovered: false, reason: 'expired' }, ['joined', { room: 'tea', reason: 'expired' }]],
    ['joined without a word, though it held a position', {}, ['joined', { room: 'tea', reason: 'limit' }]],
  ])('says what happened while it was away when it is %s', async (_what, more, expected) => {
    world.socket.say('rt:joined', joined());
    await comeBack();
    events.length = 0;
    world.socket.say('rt:joined', joined({ position: '9.cccccc', ...more }));
    expect(events).toEqual(expected);
    expect(client.room('tea').position).toBe('9.cccccc');
  });

  it('says nothing of a gap when it is joined for the first time', () => {
    world.socket.say('rt:joined', joined());
    expect(events).toEqual(['joined']);
  });

  it('goes on behind a gap, also on a new timeline with lower numbers', () => {
    const heard: unknown[] = [];
    client.on('price', (n) => heard.push(n));
    world.socket.say('rt:joined', joined({ position: '90.aaaaaa' }));
    world.socket.say('rt:gap', { room: 'tea', since: '90.aaaaaa', position: '3.dddddd', reason: 'reset' });
    price(4);
    expect(events.at(-1)).toEqual({ room: 'tea', reason: 'reset' });
    expect(heard).toEqual([4]);
  });

  it('moves its position for a message that was not for this client, and forgets it when it is left', async () => {
    world.socket.say('rt:joined', joined()).say('rt:at', { room: 'tea', position: '6.bbbbbb' });
    expect(client.room('tea').position).toBe('6.bbbbbb');
    world.socket.say('rt:left', { room: 'tea' });
    expect(client.room('tea')).toMatchObject({ position: undefined, isJoined: false });
    await comeBack();
    expect(world.socket.hello).toMatchObject({ rooms: {} });
    expect(events).toEqual(['joined', 'left']);
  });

  it('presents the history of the user beside the rooms', async () => {
    const own: unknown[] = [];
    client.user.on('recovered', () => own.push('recovered')).on('gap', ({ reason }) => own.push(reason));
    world.socket.say('rt:joined', { user: true, key: 'uuuuuuuu', position: '1.aaaaaa' });
    world.socket.say('invoice', 1, { user: true, position: '2.aaaaaa' });
    await comeBack();
    expect(world.socket.hello).toMatchObject({ rooms: {}, user: '2.aaaaaa' });
    world.socket.say('rt:joined', { user: true, key: 'uuuuuuuu', position: '2.aaaaaa', recovered: true });
    world.socket.say('rt:gap', { user: true, position: '4.aaaaaa', reason: 'limit' });
    expect(own).toEqual(['recovered', 'limit']);
  });

  it('leaves out rooms for a long token, with which the hello shares its line', async () => {
    world = new FakeWorld();
    await clientIn(world, { token: 't'.repeat(2000), protocols: ['chat.v1'] });
    world.socket.open();
    for (let n = 0; n < 400; n++) {
      world.socket.say('rt:joined', { room: `r${n}`, key: `key${String(n).padStart(5, '0')}`, position: '1.aaaaaa' });
    }
    await comeBack();
    expect(world.socket.protocols.join(', ').length).toBeLessThanOrEqual(6144);
    expect(Object.keys((world.socket.hello as { rooms: object }).rooms).length).toBeGreaterThan(50);
  });

  it('leaves out the rooms that were silent for longest when the line would be too long', async () => {
    for (let n = 0; n < 400; n++) {
      const key = `key${String(n).padStart(5, '0')}`;
      world.socket.say('rt:joined', { room: `r${n}`, key, position: `${n + 1}.aaaaaa` });
    }
    world.socket.say('tick', 1, { room: 'r0', position: '7.bbbbbb' });
    await comeBack();
    const line = world.socket.protocols.find((name) => name.startsWith('hello.'))!;
    expect(line.length).toBeLessThanOrEqual(6144);
    const { rooms } = world.socket.hello as { rooms: Record<string, string> };
    expect(Object.keys(rooms).length).toBeGreaterThan(100);
    expect(rooms).toMatchObject({ key00000: '7.bbbbbb', key00399: '400.aaaaaa' });
    expect(rooms).not.toHaveProperty('key00001');
  });
});

describe('presence', () => {
  const users = () => [...client.room('tea').presence.values()];
  const ann = { id: 'ann', state: { typing: true }, sinceMs: 10, connections: 1 };
  const bob = { id: 'bob', connections: 2 };

  it('has everyone after the join, page by page, and then what changes', () => {
    const changes: number[] = [];
    client.room('tea').on('presence', (now) => changes.push(now.size));
    world.socket
      .say('rt:presence', { room: 'tea', users: [ann], next: 'x' })
      .say('rt:presence', { room: 'tea', users: [bob] });
    expect(users()).toEqual([ann, bob]);
    world.socket.say('rt:presence', {
      room: 'tea',
      join: [{ id: 'cid' }],
      update: [{ ...ann, state: null }],
      leave: ['bob'],
    });
    expect(users()).toEqual([{ ...ann, state: null }, { id: 'cid' }]);
    world.socket.say('rt:presence', { room: 'tea', users: [bob] });
    expect(users()).toEqual([bob]);
    expect(changes).toEqual([1, 2, 2, 1]);
  });

  it('is empty when the room is left', () => {
    world.socket.say('rt:presence', { room: 'tea', users: [ann] }).say('rt:left', { room: 'tea' });
    expect(users()).toEqual([]);
  });
});
