import { jest } from '@jest/globals';
import { RecordingLog } from '../../../test/support/fakes/recording-log.js';
import { MemoryBroker } from './brokers/memory.js';
import { type Action, channelOf } from './command.js';
import type { LiveConnection } from './connections/live-connection.js';
import { Hub } from './hub.js';

let broker: MemoryBroker;
let log: RecordingLog;
let hub: Hub;

beforeEach(() => {
  broker = new MemoryBroker();
  log = new RecordingLog();
  hub = new Hub(broker, log);
});

/** The part of a connection that the hub uses. */
function fake(id: string, path = '/ws') {
  const rooms = new Set<string>();
  const obeyed: Action[] = [];
  const obey = jest.fn((action: Action) => void obeyed.push(action));
  const connection = { id, path, userId: undefined as string | undefined, rooms, obeyed, obey };
  hub.add(connection as unknown as LiveConnection);
  return { ...connection, it: connection as unknown as LiveConnection, connection };
}

const push = (data: string): Action => ({ kind: 'push', frame: { data } as never });
const ids = (channel: string) => [...hub.members(channel)].map(({ id }) => id);
const NOBODY_EXCEPTED: readonly string[] = [];

describe('membership', () => {
  it('puts every connection into the channels of everyone, its path and itself', () => {
    fake('n.1');
    fake('n.2', '/other');
    expect(ids('*')).toEqual(['n.1', 'n.2']);
    expect(ids(channelOf.path('/other'))).toEqual(['n.2']);
    expect(ids(channelOf.connection('n.1'))).toEqual(['n.1']);
    expect([hub.size('*'), hub.size(channelOf.path('/ws')), hub.size(channelOf.connection('n.2'))]).toEqual([2, 1, 1]);
  });

  it('returns no members for an unknown channel or connection', () => {
    expect([ids(channelOf.room('x')), ids(channelOf.connection('x')), hub.size(channelOf.user('x'))]).toEqual([
      [],
      [],
      0,
    ]);
    expect(hub.size(channelOf.connection('x'))).toBe(0);
  });

  it('counts a connection once, however often it enters a channel', () => {
    const { it: ann } = fake('n.1');
    void hub.enter(channelOf.room('a'), ann);
    void hub.enter(channelOf.room('a'), ann);
    expect(hub.size(channelOf.room('a'))).toBe(1);
    hub.exit(channelOf.room('a'), ann);
    expect(hub.size(channelOf.room('a'))).toBe(0);
  });

  it('has the members of a Map of Sets, whatever order three connections enter and leave a room in', () => {
    const all = [fake('n.1'), fake('n.2'), fake('n.3')].map(({ it: connection }) => connection);
    const room = channelOf.room('a');
    const steps = all.flatMap((member) => [() => hub.enter(room, member), () => hub.exit(room, member)]);
    // Every sequence of five steps, each of which enters one of the three or takes it out
    for (let run = 0; run < steps.length ** 5; run++) {
      const members = new Set<string>();
      for (let left = run, n = 0; n < 5; n++, left = Math.floor(left / steps.length)) {
        const step = left % steps.length;
        void steps[step]!();
        const { id } = all[step >> 1]!;
        if (step % 2 === 0) members.add(id);
        else members.delete(id);
      }
      if (ids(room).join() !== [...members].join() || hub.size(room) !== members.size)
        expect([run, ids(room)]).toEqual([run, [...members]]);
      for (const member of all) hub.exit(room, member);
    }
    expect(hub.count('r:')).toBe(0);
  });

  it('does not confuse a room, a user, a path and a connection of one name', () => {
    const { it: ann } = fake('x', 'x');
    const { it: bob } = fake('n.2');
    void hub.enter(channelOf.room('x'), bob);
    expect([ids(channelOf.room('x')), ids(channelOf.user('x')), ids(channelOf.path('x'))]).toEqual([
      ['n.2'],
      [],
      ['x'],
    ]);
    void hub.enter(channelOf.user('x'), ann);
    expect(ids(channelOf.user('x'))).toEqual(['x']);
  });

  it.each(['__proto__', 'constructor', 'error', '*', 'r:x', ''])('accepts %j as the name of a room', (name) => {
    const { it: ann } = fake('n.1');
    expect(ids(channelOf.room(name))).toEqual([]);
    void hub.enter(channelOf.room(name), ann);
    expect([ids(channelOf.room(name)), hub.size(channelOf.room(name))]).toEqual([['n.1'], 1]);
  });

  it('removes a connection from all its channels at once and leaves no empty one behind', () => {
    const ann = fake('n.1');
    for (const room of ['a', 'b']) {
      ann.rooms.add(room);
      void hub.enter(channelOf.room(room), ann.it);
    }
    ann.connection.userId = '7';
    void hub.enter(channelOf.user('7'), ann.it);
    hub.remove(ann.it);
    expect([hub.count(''), hub.connections.size, ids('*'), ids(channelOf.room('a'))]).toEqual([0, 0, [], []]);
    expect([...ann.rooms]).toEqual(['a', 'b']);
  });

  it('keeps the other members when one connection is removed', () => {
    const [ann, bob] = [fake('n.1'), fake('n.2')];
    for (const { it: member, rooms } of [ann, bob]) {
      rooms.add('a');
      void hub.enter(channelOf.room('a'), member);
    }
    hub.remove(ann.it);
    expect(ids(channelOf.room('a'))).toEqual(['n.2']);
  });

  it('counts rooms and users separately', () => {
    const { it: ann } = fake('n.1');
    for (const room of ['a', 'b', 'c']) void hub.enter(channelOf.room(room), ann);
    void hub.enter(channelOf.user('7'), ann);
    expect([hub.count(channelOf.room('')), hub.count(channelOf.user(''))]).toEqual([3, 1]);
  });
});

describe('delivery', () => {
  it('delivers to all members of the channel and to nobody else', () => {
    const [ann, bob, eve] = [fake('n.1'), fake('n.2'), fake('n.3')];
    void hub.enter(channelOf.room('a'), ann.it);
    void hub.enter(channelOf.room('a'), bob.it);
    const action = push('x');
    void hub.deliver({ channel: channelOf.room('a'), except: NOBODY_EXCEPTED, action });
    expect([ann, bob, eve].map(({ obeyed }) => obeyed)).toEqual([[action], [action], []]);
  });

  it('delivers to the other members when one of them throws, and logs which one', () => {
    const [ann, bob, eve] = [fake('n.1'), fake('n.2'), fake('n.3')];
    bob.obey.mockImplementation(() => {
      throw new Error('ERR_HTTP_HEADERS_SENT');
    });
    expect(() => hub.deliver({ channel: '*', except: NOBODY_EXCEPTED, action: push('x') })).not.toThrow();
    expect([ann.obeyed.length, eve.obeyed.length]).toEqual([1, 1]);
    expect(log.lines).toEqual(['error Realtime delivery failed id=n.2 kind=push error="Error: ERR_HTTP_HEADERS_SENT"']);
  });

  it('leaves out the connections that a command excepts', () => {
    const all = [fake('n.1'), fake('n.2'), fake('n.3')];
    void hub.deliver({ channel: '*', except: ['c:n.1', 'c:n.3', 'c:unknown'], action: push('x') });
    expect(all.map(({ obeyed }) => obeyed.length)).toEqual([0, 1, 0]);
  });

  it('continues a delivery when it makes one member leave and another one end', () => {
    const all = [fake('n.1'), fake('n.2'), fake('n.3')];
    for (const { it: member } of all) void hub.enter(channelOf.room('a'), member);
    all[0]!.obey.mockImplementation(() => {
      hub.exit(channelOf.room('a'), all[0]!.it);
      hub.remove(all[1]!.it);
      hub.exit(channelOf.room('a'), all[1]!.it);
    });
    void hub.deliver({ channel: channelOf.room('a'), except: NOBODY_EXCEPTED, action: push('x') });
    expect(all.map(({ obey }) => obey.mock.calls.length)).toEqual([1, 0, 1]);
  });
});

describe('the broker', () => {
  it('learns of each member that enters or leaves a channel, once', () => {
    const hold = jest.spyOn(broker, 'hold');
    const release = jest.spyOn(broker, 'release');
    const [ann, bob] = [fake('n.1'), fake('n.2')];
    for (const { it: member } of [ann, bob, bob]) void hub.enter(channelOf.room('a'), member);
    expect(hold.mock.calls).toEqual([['p:/ws'], ['p:/ws'], ['r:a'], ['r:a']]);
    for (const { it: member } of [ann, bob, bob]) hub.exit(channelOf.room('a'), member);
    expect(release.mock.calls).toEqual([['r:a'], ['r:a']]);
    hub.remove(ann.it);
    expect(release.mock.calls.slice(2)).toEqual([['p:/ws']]);
  });
});
