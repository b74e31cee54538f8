import { jest } from '@jest/globals';
import { TakenIds } from './taken-ids.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('remembers an id for two minutes', () => {
  const taken = new TakenIds();
  expect(taken.has('a')).toBe(false);
  taken.add('a');
  jest.advanceTimersByTime(119_999);
  expect(taken.has('a')).toBe(true);
  jest.advanceTimersByTime(1);
  expect(taken.has('a')).toBe(false);
});

it('remembers the last 256 ids', () => {
  const taken = new TakenIds();
  for (let i = 0; i < 257; i++) taken.add(`m${i}`);
  expect([taken.has('m0'), taken.has('m1'), taken.has('m256')]).toEqual([false, true, true]);
});
