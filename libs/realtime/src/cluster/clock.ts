import { detached } from '../async-context.js';

/** Time, as far as a cluster needs it, so that tests can replace it. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Calls the task once, when so many milliseconds or more have passed by `now`. Does not keep the process alive. */
  after(ms: number, task: () => void): void;
  /** Calls the task at the end of this turn of the event loop. */
  soon(task: () => void): void;
}

/** A timer of Node may fire so many milliseconds before its time, as `performance.now` measures it. */
const EARLY_MS = 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, task) => detached(() => setTimeout(task, Math.ceil(ms) + EARLY_MS)).unref(),
  soon: (task) => detached(() => setImmediate(task)),
};
