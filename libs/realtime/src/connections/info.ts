import type { Connection, ConnectionInfo } from '../connection.js';

/** The counters of a connection since it was opened. */
export interface Traffic {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What is read of a connection to describe it. */
interface Described extends Connection, Traffic {
  /** When the last sign of life was received, in milliseconds of `performance.now()`. */
  readonly lastSeenAt: number;
}

/** @returns a connection as `RealtimeServer` lists it: a copy of its public facts */
export function infoOf(connection: Described): ConnectionInfo {
  const { id, transport, path, address, protocol, userId, openedAt, bufferedBytes } = connection;
  const { messagesIn, messagesOut, bytesIn, bytesOut } = connection;
  const silentForMs = Math.max(0, Math.round(performance.now() - connection.lastSeenAt));
  const traffic = { silentForMs, bufferedBytes, messagesIn, messagesOut, bytesIn, bytesOut };
  return { id, transport, path, address, protocol, userId, rooms: [...connection.rooms], openedAt, ...traffic };
}
