import { AsyncResource } from 'node:async_hooks';

/** Created while the module loads, when no request is being served. */
const root = new AsyncResource('nestjs-realtime');

/**
 * Runs a task outside the async context of every request: a timer or a hook that outlives a request must neither see
 * nor keep the AsyncLocalStorage of the request that happened to start it.
 *
 * @returns the value that the task returns
 * @example detached(() => setInterval(sweep, 1000))
 */
export function detached<T>(task: () => T): T {
  return root.runInAsyncScope(task);
}
