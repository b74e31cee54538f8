/** The end of a shutdown: closes all connections at a pace, waits for their hooks, cuts what is left. */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { LiveConnection } from './live-connection.js';
import type { RealtimeSettings } from './settings.js';

type Timings = Pick<RealtimeSettings, 'shutdownTimeout' | 'shutdownBatch' | 'shutdownInterval' | 'reconnectSpread'>;

/** How often it is looked whether all have ended, in milliseconds. */
const LOOK_MS = 10;

/** How long a connection that was cut may take to end, in milliseconds. */
const CUT_MS = 200;

/**
 * Ends all connections.
 *
 * @param living the connections whose `onClose` has not settled; they leave it by themselves
 * @param timings how many at once, how long between, how long in all
 * @returns those that had not ended when the time was over
 */
export async function drain(living: ReadonlySet<LiveConnection>, timings: Timings): Promise<LiveConnection[]> {
  const deadline = performance.now() + timings.shutdownTimeout * 1000;
  await closeInBatches([...living], timings, deadline);
  await untilEmpty(living, deadline);
  for (const connection of living) connection.terminate();
  // A cut wire tells of its end a few turns of the event loop later, and its onClose has still to run
  await untilEmpty(living, performance.now() + CUT_MS);
  return [...living];
}

async function untilEmpty(living: ReadonlySet<unknown>, deadline: number): Promise<void> {
  while (living.size > 0 && performance.now() < deadline) await pause(LOOK_MS);
}

async function closeInBatches(connections: LiveConnection[], timings: Timings, deadline: number): Promise<void> {
  const batches = Math.ceil(connections.length / timings.shutdownBatch);
  // However many there are, all hear of it in the first half of the time: the other half is for their answers
  const interval = Math.min(timings.shutdownInterval, timings.shutdownTimeout / 2 / batches) * 1000;
  for (let at = 0; at < connections.length; at += timings.shutdownBatch) {
    if (at > 0 && performance.now() < deadline) await pause(interval);
    for (const connection of connections.slice(at, at + timings.shutdownBatch)) {
      connection.end(CloseCode.GOING_AWAY, farewell(timings.reconnectSpread), 'shutdown');
    }
  }
}

/** All clients that come back at the same moment would be the next outage: each is told a time of its own. */
export function farewell(spreadSeconds: number): string {
  return `server shutting down; retry-after-ms=${Math.floor(Math.random() * spreadSeconds * 1000)}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
