/** Orders of the application to one connection: all commands but pushes. */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import type { Action } from '../command.js';
import type { Connection } from '../connection.js';
import type { Membership } from './membership.js';

/** Who obeys. */
interface Obedient extends Pick<Connection, 'id'> {
  end(code: number, reason: string, initiator: CloseInitiator): void;
}

/** @returns false when a join failed */
export function obeyOrder(
  connection: Obedient,
  membership: Membership,
  action: Exclude<Action, { kind: 'push' }>,
): boolean {
  if (action.kind === 'join') return membership.tryJoin(action.room);
  if (action.kind === 'disconnect') connection.end(action.code, action.reason, 'server');
  else if (action.kind === 'leave') membership.leave(action.room);
  else if (action.kind === 'bind') membership.bind(action.userId);
  else if (action.by !== connection.id) connection.end(CloseCode.REPLACED, 'replaced by a newer connection', 'server');
  return true;
}
