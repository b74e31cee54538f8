/** Road IN, step 4: the first hook. Where there is an HTTP session, it is stored before anything that `onOpen` sends leaves. */
import type { Awaitable } from '../awaitable.js';
import type { Connection } from '../connection.js';
import type { Admission } from '../handshake/admission.js';
import type { Node } from '../node/node.js';
import type { Outbox } from './outbox.js';

type Held = Pick<Outbox, 'hold' | 'release' | 'discard'>;

/**
 * @param outbox holds what is sent as long as the session is not stored; when `onOpen` or the store fails, that is
 *   forgotten, as if it had not been sent
 * @returns runs `onOpen`; rejects with what it throws, or with RealtimeError `session_not_saved`
 */
export function openingOf(
  { gateway, request, session }: Admission,
  connection: Connection,
  outbox: Held,
  { settings }: Pick<Node, 'settings'>,
): () => Awaitable<void> {
  const onOpen = () => gateway.onOpen?.(connection, request);
  if (!session) return onOpen;
  return async () => {
    outbox.hold();
    try {
      await onOpen();
      await session.saveChanges(settings.handshakeTimeout * 1000);
      outbox.release();
    } catch (error) {
      outbox.discard();
      throw error;
    }
  };
}
