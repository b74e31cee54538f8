/** The end of a shutdown: closes all connections in batches, waits for their hooks and cuts those that are left. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { ReadyState } from '../connection.js';
import type { LiveConnection } from './live-connection.js';
import type { RealtimeSettings } from '../settings/settings.js';

type Timings = Pick<RealtimeSettings, 'shutdownTimeout' | 'shutdownBatch' | 'shutdownInterval' | 'reconnectSpread'>;

/** Reports a connection that could not be ended; the others are ended all the same. */
type Failed = (connection: LiveConnection, error: unknown) => void;

/** Interval of the checks whether all connections have ended, in milliseconds. */
const LOOK_MS = 10;

/** How long a wire that was cut may take to report its end, in milliseconds. */
const CUT_MS = 500;

/**
 * Ends all connections.
 *
 * @param living the connections whose `onClose` has not settled; each removes itself from the set when it has
 * @param timings how many at once, how long between batches and how long in total, in seconds
 * @param code of the close frames
 * @param failed called with what a connection throws
 * @returns the connections that had not ended when the time was over
 */
export async function drain(
  living: ReadonlySet<LiveConnection>,
  timings: Timings,
  code: number,
  failed: Failed,
): Promise<LiveConnection[]> {
  const deadline = performance.now() + timings.shutdownTimeout * 1000;
  await closeInBatches([...living], timings, deadline, (connections) =>
    endEach(connections, failed, (connection) => {
      connection.end(code, farewell(timings.reconnectSpread, code), 'shutdown');
    }),
  );
  while (living.size > 0 && performance.now() < deadline) await pause(LOOK_MS);
  await cut(living, failed);
  return [...living];
}

/** A wire reports that it was cut some turns of the event loop later, and only then does its `onClose` run. */
async function cut(living: ReadonlySet<LiveConnection>, failed: Failed): Promise<void> {
  endEach(living, failed, (connection) => connection.terminate());
  const deadline = performance.now() + CUT_MS;
  const isOpen = ({ readyState }: LiveConnection) => readyState !== ReadyState.CLOSED;
  while ([...living].some(isOpen) && performance.now() < deadline) await pause(LOOK_MS);
  await new Promise(setImmediate);
}

async function closeInBatches(
  connections: LiveConnection[],
  timings: Timings,
  deadline: number,
  close: (connections: readonly LiveConnection[]) => void,
): Promise<void> {
  const batches = Math.ceil(connections.length / timings.shutdownBatch);
  // However many there are, all get their close frame in the first half of the time; the rest is for their answers
  const interval = Math.min(timings.shutdownInterval, timings.shutdownTimeout / 2 / batches) * 1000;
  for (let at = 0; at < connections.length; at += timings.shutdownBatch) {
    if (at > 0 && performance.now() < deadline) await pause(interval);
    close(connections.slice(at, at + timings.shutdownBatch));
  }
}

function endEach(connections: Iterable<LiveConnection>, failed: Failed, end: (connection: LiveConnection) => void) {
  for (const connection of connections) {
    try {
      end(connection);
    } catch (error) {
      failed(connection, error);
    }
  }
}

/** The reason of the close frame, with a delay for each client: all of them at once would overload the next server. */
export function farewell(spreadSeconds: number, code: number): string {
  const what = code === CloseCode.SERVICE_RESTART ? 'restarting' : 'shutting down';
  return `server ${what}; retry-after-ms=${Math.floor(Math.random() * spreadSeconds * 1000)}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
