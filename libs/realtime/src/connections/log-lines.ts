/** The log lines of a connection: it opened, what came of it, how it ended. */
import type { CloseInfo } from '../close-info.js';
import type { Connection } from '../connection.js';
import { bytesField, field, type Log, quotedField } from '../log.js';
import type { Message } from '../message.js';
import type { Traffic } from './info.js';

export function openedLine({ id, path, address, userId, protocol }: Connection): string {
  const user = userId === undefined ? '-' : field(userId);
  const spoken = protocol ? ` protocol=${field(protocol)}` : '';
  return `WebSocket connection opened id=${id} path=${field(path)} ip=${address} user=${user}${spoken}`;
}

export function closedLine(connection: Connection & Traffic, { code, reason, initiator }: CloseInfo): string {
  const { id, messagesIn, bytesIn, messagesOut, bytesOut, openedAt } = connection;
  const how = `code=${code} reason=${quotedField(reason)} by=${initiator}`;
  const after = `after=${((Date.now() - openedAt) / 1000).toFixed(1)}s`;
  const traffic = `in=${messagesIn}/${bytesField(bytesIn)} out=${messagesOut}/${bytesField(bytesOut)}`;
  return `WebSocket connection closed id=${id} ${how} ${after} ${traffic}`;
}

/** The line is not made where verbose lines are not shown. */
export function logMessage(log: Log, { id }: Connection, { size, isBinary }: Message): void {
  if (log.isVerbose?.() === false) return;
  log.verbose(`WebSocket message id=${id} bytes=${size} type=${isBinary ? 'binary' : 'text'}`);
}

/** Nothing was heard for the idle time. */
export function expiredLine({ id }: Connection, silentMs: number): string {
  return `WebSocket heartbeat expired id=${id} silent=${(silentMs / 1000).toFixed(1)}s`;
}
