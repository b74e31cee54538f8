import { jest } from '@jest/globals';
import type { Announcement } from './messages.js';
import { Nodes } from './nodes.js';

const FACTS: Announcement = {
  ...{ reads: [1, 1], startedAt: 1, host: 'host', pid: 7, connections: 0, rooms: 0, users: 0 },
};
const OPTIONS = { announceMs: 2000, lostMs: 6000, maxNodes: 3 };

let events: string[];
let announced: number;
let nodes: Nodes;
/** False while nothing arrives, not even what this node announces itself. */
let hears: boolean;

beforeEach(() => {
  jest.useFakeTimers();
  hears = true;
  events = [];
  announced = 0;
  nodes = new Nodes(
    'me',
    OPTIONS,
    {
      came: ({ id }) => events.push(`${id} came`),
      went: ({ id }, how) => events.push(`${id} ${how}`),
      ignored: (id) => events.push(`${id} ignored`),
    },
    () => {
      announced++;
      if (hears) nodes.announced('me', FACTS);
    },
  );
  nodes.start();
});

afterEach(() => {
  nodes.stop();
  jest.useRealTimers();
});

it('announces this node at intervals, and no longer when it has stopped', () => {
  expect(announced).toBe(0);
  jest.advanceTimersByTime(6000);
  expect(announced).toBe(3);
  nodes.stop();
  jest.advanceTimersByTime(6000);
  expect([announced, jest.getTimerCount()]).toEqual([3, 0]);
});

it('reports a node once when it comes, and not itself', () => {
  for (const id of ['a', 'a', 'me']) nodes.announced(id, FACTS);
  expect([events, nodes.ids, nodes.has('a'), nodes.has('me')]).toEqual([['a came'], ['a'], true, false]);
});

it('has what a node announced last', () => {
  nodes.announced('a', FACTS);
  nodes.announced('a', { ...FACTS, connections: 5 });
  expect(nodes.all[0]!.announcement.connections).toBe(5);
});

it('loses a node that is silent for too long, and no other', () => {
  nodes.announced('a', FACTS);
  nodes.announced('b', FACTS);
  for (let second = 0; second < 8; second++) {
    jest.advanceTimersByTime(1000);
    nodes.announced('b', FACTS);
  }
  expect([events, nodes.ids]).toEqual([['a came', 'b came', 'a lost'], ['b']]);
});

it('reports a node that was lost and announces itself again as one that comes', () => {
  nodes.announced('a', FACTS);
  jest.advanceTimersByTime(8000);
  nodes.announced('a', FACTS);
  expect(events).toEqual(['a came', 'a lost', 'a came']);
});

it('loses a node at once when its end is noticed, and nobody else', () => {
  nodes.announced('a', FACTS);
  nodes.announced('b', FACTS);
  for (const id of ['a', 'a', 'c']) nodes.lost(id);
  expect([events, nodes.ids]).toEqual([['a came', 'b came', 'a lost'], ['b']]);
});

it('forgets a node that leaves at once, and ignores the leave of an unknown one', () => {
  nodes.announced('a', FACTS);
  nodes.left('a');
  nodes.left('b');
  expect([events, nodes.ids]).toEqual([['a came', 'a left'], []]);
});

it('does not know a node again whose announcement comes after its leave', () => {
  nodes.announced('a', FACTS);
  nodes.left('a');
  nodes.announced('a', FACTS);
  expect([events, nodes.ids]).toEqual([['a came', 'a left'], []]);
});

it('remembers a bounded number of nodes that have left', () => {
  const comeAndGo = (id: string) => (nodes.announced(id, FACTS), nodes.left(id));
  for (let id = 0; id <= 1000; id++) comeAndGo(String(id));
  events = [];
  for (const id of ['0', '1']) nodes.announced(id, FACTS);
  expect(events).toEqual(['0 came']);
});

it('knows nobody when it has stopped, so that it does not answer an announcement after its own leave', () => {
  nodes.announced('a', FACTS);
  nodes.stop();
  nodes.announced('a', FACTS);
  expect([events, nodes.ids]).toEqual([['a came'], []]);
});

it('knows a bounded number of nodes', () => {
  for (const id of ['a', 'b', 'c', 'd']) nodes.announced(id, FACTS);
  nodes.announced('a', FACTS);
  expect([events.at(-1), nodes.ids]).toEqual(['d ignored', ['a', 'b', 'c']]);
});

it('does not take a pause of its own process for the silence of the others', () => {
  nodes.announced('a', FACTS);
  jest.advanceTimersByTime(1000);
  const now = performance.now();
  const spy = jest.spyOn(performance, 'now').mockImplementation(() => now + 20_000);
  jest.advanceTimersByTime(1000);
  expect(nodes.has('a')).toBe(true);
  spy.mockRestore();
});

it('does not take its own deafness for the silence of the others, and loses who is silent when it hears again', () => {
  nodes.announced('a', FACTS);
  nodes.announced('b', FACTS);
  hears = false;
  jest.advanceTimersByTime(60_000);
  expect(nodes.ids).toEqual(['a', 'b']);
  hears = true;
  for (let second = 0; second < 8; second++) {
    nodes.announced('b', FACTS);
    jest.advanceTimersByTime(1000);
  }
  expect([events, nodes.ids]).toEqual([['a came', 'b came', 'a lost'], ['b']]);
});
