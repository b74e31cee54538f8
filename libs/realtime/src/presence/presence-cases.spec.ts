/** Cases that schedules meet seldom, or cannot judge: nodes over a broker that loses nothing. */
import { LossyBus } from '../../../../test/support/fakes/lossy-bus.js';
import { ManualClock } from '../../../../test/support/fakes/manual-clock.js';
import { GRACE_MS, LOST_MS, type Message, PresenceNode, Tab } from '../../../../test/support/fakes/presence-node.js';
import type { PresenceMessage, PresenceRow } from '../presence.js';
import { answerTo, PAGE_BYTES } from './answer.js';
import { keyOf } from './changed-rooms.js';
import { patiently } from './patience.js';
import type { RoomChange } from './presence-room.js';
import { PresenceRooms } from './presence-rooms.js';

const time = { clock: new ManualClock() };
let bus: LossyBus<Message>;
let events: string[];

const watcher = {
  fault: (what: string) => events.push(what),
  event: ({ name }: PresenceNode, _room: string, { kind, user, isLocal }: RoomChange) =>
    events.push(`${name} ${kind} ${user}${isLocal ? ' local' : ''}`),
};

async function nodes(count: number): Promise<PresenceNode[]> {
  const all = Array.from({ length: count }, (_, index) => start(`n${index + 1}`));
  await time.clock.pass(1000);
  return all;
}

function start(name: string): PresenceNode {
  return new PresenceNode(name, PresenceRooms, time.clock, bus, () => 0.5, watcher);
}

async function join(node: PresenceNode, user: string): Promise<Tab> {
  const tab = new Tab(user, 'r');
  node.open(tab);
  await time.clock.pass(500);
  return tab;
}

const stateOf = (node: PresenceNode, user: string) => node.presence.all.get('r')?.merged(user);

beforeEach(() => {
  time.clock = new ManualClock();
  bus = new LossyBus<Message>(time.clock, () => 0.5);
  bus.maxDelayMs = 5;
  events = [];
});

describe('who is told', () => {
  it('a join, an update and a leave, on the node that made it as its own', async () => {
    const [first, second] = await nodes(2);
    const watching = await join(first!, 'anna');
    await join(second!, 'otto');
    const tab = await join(second!, 'emma');
    second!.present(tab, '{"away":true}');
    await time.clock.pass(500);
    second!.leaveRoom(tab);
    await time.clock.pass(500);
    expect(events.filter((event) => event.includes('emma')).sort()).toEqual([
      ...['n1 join emma', 'n1 leave emma', 'n1 update emma'],
      ...['n2 join emma local', 'n2 leave emma local', 'n2 update emma local'],
    ]);
    expect([...watching.told!.keys()]).toEqual(['anna', 'otto']);
  });

  it('a leave is made by exactly one node when the tabs on two nodes are closed at once', async () => {
    const [first, second] = await nodes(2);
    for (const node of [first!, second!]) await join(node, 'anna');
    const tabs = [await join(first!, 'emma'), await join(second!, 'emma')];
    events = [];
    first!.lose(tabs[0]!);
    second!.lose(tabs[1]!);
    await time.clock.pass(GRACE_MS + 500);
    expect(events.sort()).toEqual(['n1 leave emma', 'n2 leave emma local']);
  });

  it('nobody, when a second tab is opened, or one of two is closed', async () => {
    const [first, second] = await nodes(2);
    await join(first!, 'emma');
    events = [];
    const tab = await join(second!, 'emma');
    expect(stateOf(first!, 'emma')!.connections).toBe(2);
    second!.lose(tab);
    await time.clock.pass(GRACE_MS + 500);
    expect(events).toEqual([]);
    expect(stateOf(first!, 'emma')!.connections).toBe(1);
  });

  it('nobody, when a state is set again', async () => {
    const [node] = await nodes(1);
    const tab = await join(node!, 'emma');
    node!.present(tab, '1');
    await time.clock.pass(500);
    events = [];
    node!.present(tab, '1');
    await time.clock.pass(500);
    expect(events).toEqual([]);
  });

  it('nobody, when somebody comes back to a node that did not know them, after theirs was lost', async () => {
    const [first, second, third] = await nodes(3);
    await join(second!, 'anna');
    await join(first!, 'emma');
    first!.kill();
    await time.clock.pass(LOST_MS + 3000);
    events = [];
    await join(third!, 'emma');
    await time.clock.pass(GRACE_MS + LOST_MS);
    expect(events).toEqual([]);
  });
});

describe('what counts', () => {
  it('a reconnect within the grace time is one connection, and keeps the state and the age', async () => {
    const [node] = await nodes(1);
    const tab = await join(node!, 'emma');
    node!.present(tab, '"busy"');
    await time.clock.pass(2000);
    const { since } = stateOf(node!, 'emma')!;
    node!.lose(tab);
    await time.clock.pass(1000);
    await join(node!, 'emma');
    expect(stateOf(node!, 'emma')).toMatchObject({ connections: 1, state: '"busy"', since });
  });

  it('the state of the latest change, and when its connection has gone, that of the one before', async () => {
    const [first, second] = await nodes(2);
    const tabs = [await join(first!, 'emma'), await join(second!, 'emma')];
    second!.present(tabs[1]!, '"second"');
    await time.clock.pass(500);
    first!.present(tabs[0]!, '"first"');
    await time.clock.pass(500);
    for (const node of [first!, second!]) expect(stateOf(node, 'emma')!.state).toBe('"first"');
    first!.leaveRoom(tabs[0]!);
    await time.clock.pass(500);
    expect(stateOf(second!, 'emma')!.state).toBe('"second"');
  });

  it('a connection without a user does not, and is told all the same', async () => {
    const [node] = await nodes(1);
    const guest = new Tab('', 'r');
    node!.presence.enter('r', guest, undefined);
    await join(node!, 'emma');
    expect([...guest.told!.keys()]).toEqual(['emma']);
    expect(node!.presence.all.get('r')!.count).toBe(1);
  });
});

describe('what it costs', () => {
  it.each([2, 10_000])('a join into a room of exactly %d present users is one message of some bytes', async (size) => {
    const said: PresenceMessage[] = [];
    const [first, second] = pair(size, said);
    for (let index = 1; index < size; index++) first!.enter('r', new Tab('', 'r'), `u${index}`);
    second!.enter('r', new Tab('anna', 'r'), 'anna');
    await time.clock.pass(1000);
    for (const node of [first!, second!]) expect(node.all.get('r')!.count).toBe(size);
    said.length = 0;
    second!.enter('r', new Tab('emma', 'r'), 'emma');
    await time.clock.pass(10);
    for (const node of [first!, second!]) expect(node.all.get('r')!.count).toBe(size + 1);
    expect(said).toEqual([
      { kind: 'delta', room: 'r', v: expect.any(Number), isWhole: false, set: [['emma', 1, null, 0, 0]], del: [] },
    ]);
    expect(JSON.stringify(said[0]).length).toBeLessThan(100);
  });

  it('nothing is published while nothing changes', async () => {
    const [first, second] = await nodes(2);
    await join(first!, 'anna');
    await join(second!, 'emma');
    await time.clock.pass(10_000);
    const before = first!.shared + second!.shared;
    await time.clock.pass(60_000);
    expect(first!.shared + second!.shared).toBe(before);
    expect(first!.presence.versions()).toBeUndefined();
  });
});

describe('an answer', () => {
  const row = (index: number): PresenceRow => [`user-${index}`, 1, { away: false, since: index }, 1000, 1];
  const rows = Array.from({ length: 50_000 }, (_, index) => row(index));

  it('has pages of at most 256 KiB, all of one version', () => {
    const frames = answerTo({ kind: 'ask', id: 7, rooms: [['r', 0]] }, () => ({ v: 3, rows }), 9);
    expect(frames.length).toBeGreaterThan(10);
    for (const frame of frames) expect(Buffer.byteLength(JSON.stringify(frame))).toBeLessThanOrEqual(PAGE_BYTES);
    expect(frames.flatMap(({ rooms }) => rooms.flatMap(({ users }) => users))).toEqual(rows);
    expect(new Set(frames.flatMap(({ rooms }) => rooms.map(({ v }) => v)))).toEqual(new Set([3]));
    expect(frames.map(({ hasMore }) => hasMore)).toEqual([...frames.slice(1).map(() => true), false]);
  });

  it('leaves out what is known, and what is empty', () => {
    const rooms = [['known', 3] as const, ['empty', 5] as const, ['other', 2] as const];
    const partOf = (name: string) => (name === 'empty' ? undefined : { v: 3, rows: [row(1)] });
    const [frame, ...others] = answerTo({ kind: 'ask', id: 7, rooms }, partOf, 9);
    expect(others).toEqual([]);
    expect(frame).toMatchObject({ same: [0], top: 9, rooms: [{ room: 'other', v: 3, users: [row(1)] }] });
  });
});

/** Presence alone, over links that lose nothing. @param said gets what is published */
function pair(maxUsers: number, said: PresenceMessage[] = []): PresenceRooms<Tab>[] {
  const all = new Map<string, PresenceRooms<Tab>>();
  for (const self of ['a', 'b']) {
    const share = async (to: string, message: PresenceMessage) => {
      said.push(message);
      for (const [name, node] of all) {
        if (name !== self && (to === 'r:r' || to === `n:${name}`))
          time.clock.after(3, () => node.received(self, message));
      }
    };
    const times = { askMs: 1000, announceMs: 2000, spreadMs: 5000 };
    const options = { self, clock: time.clock, maxUsers, graceMs: () => GRACE_MS, ...times };
    const listener = { changed: () => {}, listed: () => {}, isFull: () => true };
    all.set(self, new PresenceRooms<Tab>(options, { hold: () => undefined, release: () => {}, share }, listener));
  }
  const [first, second] = [...all.values()];
  for (const node of [first!, second!]) node.up();
  first!.came('b');
  second!.came('a');
  return [first!, second!];
}

describe('a room of 50,000 users', () => {
  it('is known to a node that asks, with what changes meanwhile', async () => {
    const [first, second] = pair(50_000);
    const tabs = Array.from({ length: 50_000 }, (_, index) => new Tab(`u${index}`, 'r'));
    for (const tab of tabs) first!.enter('r', tab, tab.user);
    await time.clock.pass(100);
    second!.enter('r', new Tab('anna', 'r'), 'anna');
    await time.clock.pass(4);
    first!.leave('r', tabs[0]!);
    await time.clock.pass(1000);
    const room = second!.all.get('r')!;
    expect(room.count).toBe(50_000);
    expect(room.merged('u0')).toBeUndefined();
    expect(room.merged('u1')).toBeDefined();
  });

  it('has no more than the bound, here and on the others', async () => {
    const [first, second] = pair(100);
    for (let index = 0; index < 150; index++) first!.enter('r', new Tab('', 'r'), `u${index}`);
    second!.enter('r', new Tab('anna', 'r'), 'anna');
    await time.clock.pass(100);
    expect(first!.all.get('r')!.own.size).toBe(100);
    expect(second!.all.get('r')!.count).toBe(101);
  });
});

describe('an announcement', () => {
  it('lists the rooms that have changed during three periods', async () => {
    const [presence] = pair(10);
    presence!.enter('r', new Tab('anna', 'r'), 'anna');
    await time.clock.pass(1);
    expect(presence!.versions()).toEqual([[keyOf('r'), 1]]);
    await time.clock.pass(8000);
    expect(presence!.versions()).toBeUndefined();
  });

  it('says "many" of more than 200 rooms, which the others ask about once in three periods', async () => {
    const [presence, other] = pair(10);
    for (let index = 0; index < 201; index++) presence!.enter(`r${index}`, new Tab('anna', 'r'), 'anna');
    await time.clock.pass(7000);
    presence!.enter('r', new Tab('anna', 'r'), 'anna');
    for (let index = 0; index < 201; index++) presence!.enter(`r${index}`, new Tab('emma', 'r'), 'emma');
    await time.clock.pass(100);
    expect(presence!.versions()).toBe('many');
    const asked: PresenceMessage[] = [];
    const received = other!.received.bind(other);
    other!.received = (from, message) => {
      if (message.kind === 'ask') asked.push(message);
      received(from, message);
    };
    presence!.announced('b', 'many');
    await time.clock.pass(100);
    expect(asked.length).toBe(1);
    presence!.announced('b', 'many');
    await time.clock.pass(100);
    expect(asked.length).toBe(1);
  });
});

it('a timer that fires much too late waits once more', async () => {
  const called: number[] = [];
  let now = 0;
  const timers: { ms: number; task: () => void }[] = [];
  const clock = { now: () => now, after: (ms: number, task: () => void) => timers.push({ ms, task }), soon: () => {} };
  patiently(clock, 5000, 2000, () => called.push(now));
  now = 20_000;
  timers.shift()!.task();
  expect(called).toEqual([]);
  now += timers[0]!.ms;
  timers.shift()!.task();
  expect(called).toEqual([22_000]);
});
