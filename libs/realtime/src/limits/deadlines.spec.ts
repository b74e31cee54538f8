import { jest } from '@jest/globals';
import { fc } from '../../../../test/support/properties.js';
import { Deadlines } from './deadlines.js';

interface Item {
  readonly name: string;
}

let late: string[];
let deadlines: Deadlines<Item>;
let failures: string[];
let items: Map<string, Item>;
const fail = (error: unknown, { name }: Item) => failures.push(`${name}: ${(error as Error).message}`);

/** The item with this name. */
function the(name: string): Item {
  const item = items.get(name) ?? { name };
  items.set(name, item);
  return item;
}

beforeEach(() => {
  jest.useFakeTimers();
  late = [];
  failures = [];
  items = new Map();
  deadlines = new Deadlines(1000, ({ name }) => late.push(name), fail);
});

afterEach(() => {
  jest.useRealTimers();
});

/** Adds an item now and the next one so much later. */
function addEvery(ms: number, names: string): void {
  for (const name of names) {
    deadlines.add(the(name));
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
  expect([deadlines.delete(the('b')), deadlines.delete(the('b'))]).toEqual([true, false]);
  jest.advanceTimersByTime(10_000);
  expect([late, jest.getTimerCount()]).toEqual([['a', 'c'], 0]);
});

it('gives an item that is added after a rest its full time', () => {
  addEvery(900, 'a');
  deadlines.delete(the('a'));
  deadlines.add(the('b'));
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
      late.push(`${item.name}${deadlines.size}`);
      if (again-- === 0) return;
      deadlines.delete(item);
      deadlines.add(item);
    },
    fail,
  );
  deadlines.add(the('a'));
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a1'], 1]);
  jest.advanceTimersByTime(10_000);
  expect([late, jest.getTimerCount()]).toEqual([['a1', 'a1', 'a1'], 0]);
});

it('reports the other items when the callback throws for one', () => {
  deadlines = new Deadlines(
    1000,
    (item) => {
      if (item.name === 'a') throw new Error('a');
      late.push(item.name);
    },
    fail,
  );
  addEvery(1, 'abc');
  deadlines.add(the('d'));
  jest.advanceTimersByTime(2000);
  expect([late, failures, jest.getTimerCount()]).toEqual([['b', 'c', 'd'], ['a: a'], 0]);
});

it('starts afresh when the callback clears all items', () => {
  deadlines = new Deadlines(
    1000,
    ({ name }) => {
      late.push(name);
      deadlines.clear();
      if (late.length === 1) deadlines.add(the('b'));
    },
    fail,
  );
  deadlines.add(the('a'));
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a'], 1]);
  jest.advanceTimersByTime(1000);
  expect([late, jest.getTimerCount()]).toEqual([['a', 'b'], 0]);
});

it('removes and returns all items on clear()', () => {
  addEvery(1, 'ab');
  jest.advanceTimersByTime(998);
  expect(late).toEqual(['a']);
  expect([deadlines.clear().map(({ name }) => name), deadlines.size, jest.getTimerCount()]).toEqual([['a', 'b'], 0, 0]);
});

it('does not keep the process alive', () => {
  const timeout = jest.spyOn(globalThis, 'setTimeout');
  deadlines.add(the('a'));
  expect((timeout.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
  timeout.mockRestore();
});

it('keeps nothing when the time is infinite', () => {
  deadlines = new Deadlines(Infinity, ({ name }) => late.push(name), fail);
  deadlines.add(the('a'));
  expect([deadlines.size, jest.getTimerCount()]).toEqual([0, 0]);
});

it('reports what a plain list reports, whatever is added, deleted and waited for', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'delete', 'wait', 'clear'), fc.nat(9)), { maxLength: 60 });
  const run = (all: [string, number][]) => {
    deadlines.clear();
    late = [];
    let there: { name: string; dueAt: number; isLate: boolean }[] = [];
    const expected: string[] = [];
    for (const [step, no] of all) {
      const name = String(no);
      const isThere = there.some((item) => item.name === name);
      if (step === 'add') {
        deadlines.add(the(name));
        there = there.filter((item) => item.name !== name);
        there.push({ name, dueAt: performance.now() + 1000, isLate: false });
      } else if (step === 'delete') {
        expect(deadlines.delete(the(name))).toBe(isThere);
        there = there.filter((item) => item.name !== name);
      } else if (step === 'wait') {
        jest.advanceTimersByTime(no * 100);
        for (const item of there.filter(({ dueAt, isLate }) => !isLate && dueAt <= performance.now())) {
          expected.push(item.name);
          item.isLate = true;
        }
      } else if (step === 'clear' && no === 0) {
        expect(deadlines.clear().map((item) => item.name)).toEqual(there.map((item) => item.name));
        there = [];
      }
      expect([deadlines.size, late]).toEqual([there.length, expected]);
    }
  };
  fc.assert(fc.property(steps, run), { numRuns: 300 });
});
