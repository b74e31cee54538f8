import { jest } from '@jest/globals';
import { LineRate } from './line-rate.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('allows as many lines at once as it says, then its lines per second, each with the number of lines left out', () => {
  const rate = new LineRate(2, 3);
  const taken = () => Array.from({ length: 10 }, () => rate.take()).filter((more) => more !== undefined);
  expect(taken()).toEqual(['', '', '']);
  jest.advanceTimersByTime(1000);
  expect(taken()).toEqual([' unsaid=7', '']);
  jest.advanceTimersByTime(60_000);
  expect(taken()).toEqual([' unsaid=8', '', '']);
});
