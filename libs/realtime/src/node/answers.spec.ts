import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { MemoryBroker } from '../brokers/memory.js';
import { type Action, channelOf } from '../command.js';
import { Hub } from '../hub.js';
import { Limits } from '../limits/limits.js';
import { Answers, type NodeConnection } from './answers.js';

const NOBODY: readonly string[] = [];
const NO_STATS = () => ({}) as never;
const LEAVE: Action = { kind: 'leave', room: 'a' };

let hub: Hub<NodeConnection>;

beforeEach(() => {
  hub = new Hub<NodeConnection>(new MemoryBroker(), new RecordingLog());
});

function answers({ maxMembers = 2, maxConnectionsPerUser = 0, isReportOnly = false } = {}) {
  const limits = new Limits(new RecordingLog(), isReportOnly);
  return Object.assign(new Answers('n', hub, { maxMembers, maxConnectionsPerUser }, limits, NO_STATS), {
    counts: limits.counts,
  });
}

/** Adds connections to the hub in this order, all in the room `a`. */
function add(...ids: string[]): { id: string; obeyed: Action[] }[] {
  return ids.map((id) => {
    const obeyed: Action[] = [];
    const obey = (action: Action) => (obeyed.push(action), id !== 'n.deaf');
    const connection = { id, path: '/ws', userId: `user of ${id}`, rooms: new Set(['a']), obey, info: () => ({ id }) };
    hub.add(connection as unknown as NodeConnection);
    void hub.enter(channelOf.room('a'), connection as unknown as NodeConnection);
    return { id, obeyed };
  });
}

const list = (limit: number, after?: string) => {
  const { items, next } = answers().list({ kind: 'list', limit, after });
  return { ids: items.map(({ id }) => id), next };
};

it('lists connections in the order of their ids when one with a lower id opened later', () => {
  add('n.2', 'n.4', 'n.1', 'n.3');
  expect(list(3)).toEqual({ ids: ['n.1', 'n.2', 'n.3'], next: 'n.3' });
  expect(list(3, 'n.3')).toEqual({ ids: ['n.4'], next: undefined });
});

it('compares the numbers of ids, not their texts', () => {
  add('n.z', 'n.10', 'n.2');
  expect(list(10).ids).toEqual(['n.2', 'n.z', 'n.10']);
  expect(list(10, 'n.z').ids).toEqual(['n.10']);
});

it('lists everything after the cursor of a lower node, and nothing after that of a higher node', () => {
  add('n.1');
  expect([list(10, 'm.zz').ids, list(10, 'o.1').ids]).toEqual([['n.1'], []]);
});

it('lists and counts members without the excepted ones', () => {
  add('n.1', 'n.2');
  const room = { channel: channelOf.room('a'), except: ['c:n.1', 'c:n.unknown'] };
  expect(answers().to({ kind: 'members', ...room })).toEqual([{ id: 'n.2', userId: 'user of n.2' }]);
  expect(answers().to({ kind: 'count', ...room })).toBe(1);
  expect(answers().to({ kind: 'count', ...room, except: NOBODY })).toBe(2);
});

it('refuses and counts a list of members above the limit, and says what to call instead', () => {
  add('n.1', 'n.2', 'n.3');
  const bounded = answers();
  const ask = () => bounded.to({ kind: 'members', channel: channelOf.everyone, except: NOBODY });
  expect(ask).toThrow(expect.objectContaining({ code: 'too_many_members' }));
  expect(ask).toThrow('members() returns at most 2 (REALTIME_MAX_MEMBERS), this target has 3: use count()');
  expect(bounded.counts.members).toBe(2);
});

it('returns and counts a list of members above the limit in report-only mode', () => {
  add('n.1', 'n.2', 'n.3');
  const reporting = answers({ isReportOnly: true });
  expect(reporting.to({ kind: 'members', channel: channelOf.everyone, except: NOBODY })).toHaveLength(3);
  expect(reporting.counts.members).toBe(1);
});

it('passes an order to its connection and returns whether the connection took it', () => {
  const [ann, deaf] = add('n.1', 'n.deaf');
  expect(answers().to({ kind: 'order', id: 'n.1', action: LEAVE })).toBe(true);
  expect(answers().to({ kind: 'order', id: 'n.deaf', action: LEAVE })).toBe(false);
  expect([ann!.obeyed, deaf!.obeyed]).toEqual([[LEAVE], [LEAVE]]);
});

it('answers an order to nobody with false and a question about nobody with nothing', () => {
  const [ann] = add('n.1');
  for (const id of ['n.2', '', '__proto__']) {
    expect(answers().to({ kind: 'order', id, action: LEAVE })).toBe(false);
    expect(answers().to({ kind: 'exists', id })).toBe(false);
    expect(answers().to({ kind: 'info', id })).toBeUndefined();
  }
  expect([ann!.obeyed, answers().to({ kind: 'exists', id: 'n.1' })]).toEqual([[], true]);
});

it('refuses to bind one connection more to a user than the user may have, and counts it', () => {
  const [ann, other] = add('n.1', 'n.2');
  const bounded = answers({ maxConnectionsPerUser: 1 });
  const bind = (id: string, replaces = false) =>
    bounded.to({ kind: 'order', id, action: { kind: 'bind', userId: 'user of n.1', replaces } });
  void hub.enter(channelOf.user('user of n.1'), hub.connections.get('n.1')!);
  expect(() => bind('n.2')).toThrow(expect.objectContaining({ code: 'too_many_connections' }));
  expect([bounded.counts.connectionsPerUser, other!.obeyed]).toEqual([1, []]);
  expect([bind('n.2', true), bind('n.1'), bind('n.9')]).toEqual([true, true, false]);
  expect([ann!.obeyed.length, other!.obeyed.length]).toEqual([1, 1]);
});
