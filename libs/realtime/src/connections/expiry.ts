import { CloseCode } from 'nestjs-realtime-protocol';
import type { LiveConnection } from './live-connection.js';

/** The longest delay that a Node timer can have, in milliseconds. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Closes a connection with 4502 when its credential expires. */
export function endAt(connection: LiveConnection, expiresAt: Date): void {
  const remaining = expiresAt.getTime() - Date.now();
  const due = () => {
    if (remaining > MAX_DELAY_MS) endAt(connection, expiresAt);
    else connection.end(CloseCode.EXPIRED, 'credential expired', 'limit');
  };
  const timer = setTimeout(due, Math.max(0, Math.min(remaining, MAX_DELAY_MS)));
  timer.unref();
  connection.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
