/** Road IN, step 4: `onOpen` of a connection with an HTTP session, which is stored before anything it sends leaves. */
import type { OpenSession } from '../handshake/session.js';
import type { Awaitable } from '../hooks.js';
import type { Outbox } from './outbox.js';

/**
 * Runs `onOpen`, then saves what it wrote to the session; what it sends waits meanwhile. When either fails, what waits
 * is forgotten, as if it had not been sent.
 *
 * @param timeoutMs how long the session's store may take
 * @throws what `onOpen` throws; RealtimeError `session_not_saved`
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
