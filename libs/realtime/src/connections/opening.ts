/** Road IN, step 4: `onOpen` with an HTTP session, which is stored before any message of `onOpen` leaves. */
import type { OpenSession } from '../handshake/session.js';
import type { Awaitable } from '../hooks.js';
import type { Outbox } from './outbox.js';

/**
 * Runs `onOpen`, then saves its changes to the session. Messages that are sent meanwhile wait; if either fails, they
 * are dropped as if they had not been sent.
 *
 * @param timeoutMs how long the session's store may take, in milliseconds
 * @throws the error of `onOpen`; RealtimeError `session_not_saved`
 */
export async function openAndSave(
  onOpen: () => Awaitable<void>,
  session: OpenSession,
  outbox: Pick<Outbox, 'hold' | 'release' | 'discard'>,
  timeoutMs: number,
): Promise<void> {
  outbox.hold();
  try {
    await onOpen();
    await session.saveChanges(timeoutMs);
    outbox.release();
  } catch (error) {
    outbox.discard();
    throw error;
  }
}
