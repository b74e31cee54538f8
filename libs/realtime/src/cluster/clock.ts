import { detached } from '../async-context.js';

/** Time, as far as a cluster needs it, so that tests can replace it. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Calls the task once, after so many milliseconds. Does not keep the process alive. */
  after(ms: number, task: () => void): void;
  /** Calls the task at the end of this turn of the event loop. */
  soon(task: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, task) => detached(() => setTimeout(task, ms)).unref(),
  soon: (task) => detached(() => setImmediate(task)),
};
