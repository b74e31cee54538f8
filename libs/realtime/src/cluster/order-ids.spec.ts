import { OrderIds } from './order-ids.js';

it('gives numbers that rise', () => {
  const ids = new OrderIds(() => 0);
  expect([ids.next(), ids.next(), ids.next()]).toEqual([1, 2, 3]);
});

it('is greater than every order seen, whatever the time of day is', () => {
  const ids = new OrderIds(() => 100);
  ids.saw(500);
  ids.saw(7);
  expect([ids.next(), ids.next()]).toEqual([501, 502]);
});

it('keeps up with the time of day, and does not go back with it', () => {
  let now = 1000;
  const ids = new OrderIds(() => now);
  expect([ids.next(), ids.next()]).toEqual([1000, 1001]);
  now = 2000;
  expect(ids.next()).toBe(2000);
  now = 10;
  expect(ids.next()).toBe(2001);
});

it('begins with the time of day, so that a node that has just started is not behind', () => {
  const before = Date.now();
  expect(new OrderIds().next()).toBeGreaterThanOrEqual(before);
});

it('ignores ids above 2^48, and stays within the safe integers after the greatest that it believes', () => {
  const ids = new OrderIds(() => 0);
  for (const hostile of [2 ** 48 + 1, Number.MAX_SAFE_INTEGER]) ids.saw(hostile);
  expect(ids.next()).toBe(1);
  ids.saw(2 ** 48);
  expect(ids.next()).toBe(2 ** 48 + 1);
});
