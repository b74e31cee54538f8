/** The clock of a cluster keeps what its contract says, on the timers of Node, which may fire a little early. */
import { systemClock } from '../../libs/realtime/src/cluster/clock.js';

it('the clock of a cluster calls no task before its time, as it measures time itself', async () => {
  const MS = 20;
  const early: number[] = [];
  // Timers that start at many points within a millisecond
  for (let round = 0; round < 20; round++) {
    const begun = Array.from({ length: 100 }, () => {
      const until = systemClock.now() + Math.random() / 10;
      while (systemClock.now() < until);
      const from = systemClock.now();
      const called = new Promise<number>((resolve) => systemClock.after(MS, () => resolve(systemClock.now() - from)));
      return called;
    });
    early.push(...(await Promise.all(begun)).filter((after) => after < MS));
  }
  expect(early).toEqual([]);
});
