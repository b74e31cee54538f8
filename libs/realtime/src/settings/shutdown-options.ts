/** The settings of a shutdown, from the moment when readiness is down to the last hook. */
import { count, MAX_INT32, seconds } from './kinds.js';

export const SHUTDOWN_SETTINGS = {
  shutdownDelay: seconds(
    'REALTIME_SHUTDOWN_DELAY',
    0,
    0,
    'How long a shutdown goes on as before, with readiness down, until it refuses new connections and closes the open ones: give the load balancer time to notice. A reload of workers does not wait.',
  ),
  shutdownTimeout: seconds(
    'REALTIME_SHUTDOWN_TIMEOUT',
    10,
    0.001,
    'How long a shutdown waits for running hooks and closing connections before it cuts the connections that are left.',
  ),
  shutdownBatch: count(
    'REALTIME_SHUTDOWN_BATCH',
    500,
    1,
    MAX_INT32,
    'connections',
    'How many connections a shutdown closes at once.',
  ),
  shutdownInterval: seconds(
    'REALTIME_SHUTDOWN_INTERVAL',
    0.1,
    0,
    'How long a shutdown pauses between two batches of connections; 0 for no pause.',
  ),
  reconnectSpread: seconds(
    'REALTIME_RECONNECT_SPREAD',
    5,
    0,
    'At a shutdown, the close reason asks each client to come back after a random time up to this long.',
  ),
};
