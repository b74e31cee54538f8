import { jest } from '@jest/globals';
import { Deadlines } from './deadlines.js';

let late: string[];
let deadlines: Deadlines<string>;
let failures: string[];
const fail = (error: unknown, item: string) => failures.push(`${item}: ${(error as Error).message}`);

beforeEach(() => {
  jest.useFakeTimers();
  late = [];
  failures = [];
  deadlines = new Deadlines(1000, (item) => late.push(item), fail);
});

afterEach(() => {
  jest.useRealTimers();
});

/** Adds an item now and the next one so much later. */
function addEvery(ms: number, items: string): void {
  for (const item of items) {
    deadlines.add(item);
    jest.advanceTimersByTime(ms);
  }
}

it('reports each item after its own time, with one timer for all', () => {
  addEvery(400, 'ab');
  expect([late, jest.getTimerCount()]).toEqual([[], 1]);
  jest.advanceTimersByTime(199);
  expect(late).toEqual([]);
  jest.advanceTimersByTime(1);
  expect([late, deadlines.size, jest.getTimerCount()]).toEqual([['a'], 2, 1]);
  jest.advanceTimersByTime(399);
  expect(late).toEqual(['a']);
  jest.advanceTimersByTime(1);
  expect([late, deadlines.size, jest.getTimerCount()]).toEqual([['a', 'b'], 2, 0]);
});

it('never reports an item that was deleted in time', () => {
  addEvery(100, 'abc');
  expect([deadlines.delete('b'), deadlines.delete('b')]).toEqual([true, false]);
  jest.advanceTimersByTime(10_000);
  expect([late, jest.getTimerCount()]).toEqual([['a', 'c'], 0]);
});

it('gives an item that is added after a rest its full time', () => {
  addEvery(900, 'a');
  deadlines.delete('a');
  deadlines.add('b');
  jest.advanceTimersByTime(999);
  expect(late).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(late).toEqual(['b']);
});

it('reports a late item once, keeps it until it is deleted, and lets it be added again', () => {
  let again = 2;
  deadlines = new Deadlines(
    1000,
    (item) => {
      late.push(`${item}${deadlines.size}`);
      if (again-- === 0) return;
      deadlines.delete(item);
      deadlines.add(item);
    },
    fail,
  );
  deadlines.add('a');
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a1'], 1]);
  jest.advanceTimersByTime(10_000);
  expect([late, jest.getTimerCount()]).toEqual([['a1', 'a1', 'a1'], 0]);
});

it('reports the other items when the callback throws for one', () => {
  deadlines = new Deadlines(
    1000,
    (item) => {
      if (item === 'a') throw new Error('a');
      late.push(item);
    },
    fail,
  );
  addEvery(1, 'abc');
  deadlines.add('d');
  jest.advanceTimersByTime(2000);
  expect([late, failures, jest.getTimerCount()]).toEqual([['b', 'c', 'd'], ['a: a'], 0]);
});

it('starts afresh when the callback clears all items', () => {
  deadlines = new Deadlines(
    1000,
    (item) => {
      late.push(item);
      deadlines.clear();
      if (late.length === 1) deadlines.add('b');
    },
    fail,
  );
  deadlines.add('a');
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a'], 1]);
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a', 'b'], 0]);
});

it('removes and returns all items on clear()', () => {
  addEvery(1, 'ab');
  jest.advanceTimersByTime(998);
  expect(late).toEqual(['a']);
  expect([deadlines.clear(), deadlines.size, jest.getTimerCount()]).toEqual([['a', 'b'], 0, 0]);
});

it('does not keep the process alive', () => {
  const timeout = jest.spyOn(globalThis, 'setTimeout');
  deadlines.add('a');
  expect((timeout.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
  timeout.mockRestore();
});

it('keeps nothing when the time is infinite', () => {
  deadlines = new Deadlines(Infinity, (item) => late.push(item), fail);
  deadlines.add('a');
  expect([deadlines.size, jest.getTimerCount()]).toEqual([0, 0]);
});
