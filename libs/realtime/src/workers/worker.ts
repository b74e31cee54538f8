/** A worker's side: it retires when the primary says so. The module drains it, if the application has the module. */
import cluster from 'node:cluster';
import type { EventEmitter } from 'node:events';
import { readyEvent, retireEvent } from '../settings/worker-place.js';

/** What the primary sends to a worker. */
export const RETIRE = { realtime: 'retire' } as const;

/** What a worker sends when it is an application without a server. */
const READY = { realtime: 'ready' } as const;

export const isReady = (message: unknown): boolean => (message as Partial<typeof READY> | null)?.realtime === 'ready';

const isRetire = (message: unknown): boolean => (message as Partial<typeof RETIRE> | null)?.realtime === 'retire';

/** The module may be loaded in another build, so they meet at the process. */
const events: EventEmitter = process;

export function serve(): void {
  // The primary answers it; a signal to all processes of the service must not end this one
  process.on('SIGUSR2', () => {});
  events.on(readyEvent, () => process.send?.(READY));
  process.on('message', (message) => {
    if (isRetire(message)) retire();
  });
  // It does not keep a process that has nothing to do
  process.channel?.unref();
}

/** No connection arrives from now on: the primary gives them to others. */
function retire(): void {
  cluster.worker?.disconnect();
  if (!events.emit(retireEvent)) process.kill(process.pid, 'SIGTERM');
}
