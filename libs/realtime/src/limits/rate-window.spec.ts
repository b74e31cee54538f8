import { fc } from '../../../../test/support/properties.js';
import { RateWindow } from './rate-window.js';

const taken = (window: RateWindow, attempts: number, now: number) => {
  let count = 0;
  for (let attempt = 0; attempt < attempts; attempt++) if (window.take(now)) count++;
  return count;
};

it('allows all events of a second at once, and no more within it', () => {
  const window = new RateWindow(10);
  expect(taken(window, 50, 5000)).toBe(10);
  expect(taken(window, 50, 5999)).toBe(0);
});

it('allows events again once the second is over', () => {
  const window = new RateWindow(10);
  expect(taken(window, 4, 5000)).toBe(4);
  expect(taken(window, 50, 5500)).toBe(6);
  expect(taken(window, 50, 6100)).toBe(4);
  expect(taken(window, 50, 6600)).toBe(6);
});

it('forgets events that are long past', () => {
  const window = new RateWindow(3);
  expect(taken(window, 5, 1e3)).toBe(3);
  expect(taken(window, 5, 1e12)).toBe(3);
});

it('treats a clock that stands still or goes back as the same moment', () => {
  const window = new RateWindow(3);
  expect([taken(window, 2, 5000), taken(window, 5, 4000), taken(window, 5, 5000)]).toEqual([2, 1, 0]);
});

it('allows every event if the rate is unlimited', () => {
  expect(taken(new RateWindow(Infinity), 1000, 5000)).toBe(1000);
});

const steps = fc.array(fc.record({ waitMs: fc.nat(700), attempts: fc.nat(30) }), { maxLength: 60 });

it('never allows more than its rate in any second, and always what a second and a step leave', () => {
  const run = (rate: number, startMs: number, list: { waitMs: number; attempts: number }[]) => {
    const window = new RateWindow(rate);
    const times: number[] = [];
    let now = startMs;
    for (const { waitMs, attempts } of list) {
      now += waitMs;
      const recent = times.filter((at) => at > now - 1100).length;
      const count = taken(window, attempts, now);
      expect(count).toBeGreaterThanOrEqual(Math.min(attempts, rate - recent));
      for (let index = 0; index < count; index++) times.push(now);
    }
    for (const start of times) {
      expect(times.filter((at) => at >= start && at < start + 1000).length).toBeLessThanOrEqual(rate);
    }
  };
  fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(100_000), steps, run));
});
