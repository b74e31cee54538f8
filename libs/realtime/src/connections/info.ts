import type { ConnectionInfo } from '../connection.js';
import type { LiveConnection } from './live-connection.js';

/** A connection as `RealtimeServer` lists it: a copy, of what can be shown. */
export function infoOf(connection: LiveConnection): ConnectionInfo {
  const { id, transport, path, address, protocol, userId, openedAt, bufferedBytes } = connection;
  const { messagesIn, messagesOut, bytesIn, bytesOut } = connection;
  const silentForMs = Math.max(0, Math.round(performance.now() - connection.lastSeenAt));
  const traffic = { silentForMs, bufferedBytes, messagesIn, messagesOut, bytesIn, bytesOut };
  return { id, transport, path, address, protocol, userId, rooms: [...connection.rooms], openedAt, ...traffic };
}
