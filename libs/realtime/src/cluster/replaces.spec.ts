import { ManualClock } from '../../../../test/support/fakes/manual-clock.js';
import { REPLACES, Replaces } from './replaces.js';

let clock: ManualClock;
let replaces: Replaces;

beforeEach(() => {
  clock = new ManualClock();
  replaces = new Replaces({ clock, rememberMs: 1000, maxRemembered: 3 });
});

it('spares a connection whose own pair is greater, by its id or, where ids are equal, by its connection', () => {
  replaces.begin('u', 'n.b', 5);
  expect(replaces.spared('u', 4, 'n.z')).toEqual(['n.b']);
  expect(replaces.spared('u', 5, 'n.a')).toEqual(['n.b']);
  expect(replaces.spared('u', 5, 'n.b')).toEqual([]);
  expect(replaces.spared('u', 5, 'n.c')).toEqual([]);
  expect(replaces.spared('u', 6, 'n.a')).toEqual([]);
  expect(replaces.spared('v', 4, 'n.a')).toEqual([]);
});

it('spares only the last of the connections of a user that replaced each other here', () => {
  replaces.begin('u', 'n.b', 5);
  replaces.begin('u', 'n.a', 6);
  expect(replaces.spared('u', 4, 'm.a')).toEqual(['n.a']);
  expect(replaces.size).toBe(1);
});

it('knows a connection that has replaced others as two users', () => {
  replaces.begin('u', 'n.a', 5);
  replaces.begin('v', 'n.a', 6);
  expect([replaces.spared('u', 4, 'm.a'), replaces.spared('v', 5, 'm.a')]).toEqual([['n.a'], ['n.a']]);
});

it('forgets a pair when its time is over, counted from its last replace', async () => {
  replaces.begin('u', 'n.a', 1);
  await clock.pass(600);
  replaces.begin('v', 'n.b', 2);
  replaces.begin('u', 'n.c', 3);
  await clock.pass(999);
  expect([replaces.spared('u', 1, 'm'), replaces.spared('v', 1, 'm')]).toEqual([['n.c'], ['n.b']]);
  await clock.pass(1);
  expect([replaces.spared('u', 1, 'm'), replaces.spared('v', 1, 'm'), replaces.size]).toEqual([[], [], 0]);
});

it('sets no timer', () => {
  replaces.begin('u', 'n.a', 1);
  expect(clock.waiting).toBe(0);
});

it('remembers a pair longer than an order is given twice over, and does not grow beyond its bound', () => {
  expect(REPLACES).toEqual({ rememberMs: 120_000, maxRemembered: 100_000 });
  for (const [index, user] of ['a', 'b', 'c', 'd'].entries()) replaces.begin(user, `n.${user}`, index + 1);
  expect(replaces.size).toBe(3);
  expect([replaces.spared('a', 0, 'm'), replaces.spared('b', 0, 'm')]).toEqual([[], ['n.b']]);
});
