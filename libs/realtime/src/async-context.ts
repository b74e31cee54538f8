import { AsyncResource } from 'node:async_hooks';

/** Made when the module is loaded, where no request is served. */
const root = new AsyncResource('nestjs-realtime');

/**
 * Runs what outlives a request in no request's async context: a timer, or a hook, must neither see nor keep the
 * AsyncLocalStorage of whoever happened to be first.
 *
 * @returns what the task returns
 * @example outside(() => setInterval(sweep, 1000))
 */
export function detached<T>(task: () => T): T {
  return root.runInAsyncScope(task);
}
