import type { Connection, ConnectionInfo } from '../connection.js';

/** What a connection has counted since it was opened. */
export interface Traffic {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A connection that can be described. */
interface Described extends Connection, Traffic {
  /** Milliseconds of `performance.now()`. */
  readonly lastSeenAt: number;
}

/** A connection as `RealtimeServer` lists it: a copy, of what can be shown. */
export function infoOf(connection: Described): ConnectionInfo {
  const { id, transport, path, address, protocol, userId, openedAt, bufferedBytes } = connection;
  const { messagesIn, messagesOut, bytesIn, bytesOut } = connection;
  const silentForMs = Math.max(0, Math.round(performance.now() - connection.lastSeenAt));
  const traffic = { silentForMs, bufferedBytes, messagesIn, messagesOut, bytesIn, bytesOut };
  return { id, transport, path, address, protocol, userId, rooms: [...connection.rooms], openedAt, ...traffic };
}
