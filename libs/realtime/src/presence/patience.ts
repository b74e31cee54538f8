/** Timers of a process that may have stood still: what the others said meanwhile is heard first. */
import type { Clock } from '../cluster/clock.js';

/**
 * Calls a task once the time is over. A timer that fires much too late waits once more: this process stood still, and has
 * not read yet what came meanwhile.
 *
 * @param graceMs how late it may be, and how long it waits then
 */
export function patiently(clock: Clock, ms: number, graceMs: number, task: () => void): void {
  const dueAt = clock.now() + ms;
  clock.after(ms, () => {
    if (clock.now() - dueAt > graceMs) patiently(clock, graceMs, graceMs, task);
    else task();
  });
}
