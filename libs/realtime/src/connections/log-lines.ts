/** The log lines of a connection: how it opened, the messages it received, and how it ended. */
import type { CloseInfo } from '../close-info.js';
import type { Connection } from '../connection.js';
import { bytesField, errorField, field, type Log, quotedField } from '../log.js';
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

/** Logs the length and the kind of a message, never its content. The line is not built if verbose lines are off. */
export function logMessage(log: Log, { id }: Connection, { size, isBinary }: Message): void {
  if (log.isVerbose?.() === false) return;
  log.verbose(`WebSocket message id=${id} bytes=${size} type=${isBinary ? 'binary' : 'text'}`);
}

/** The line of a command that could not put a connection into a room. */
export function joinFailedLine({ id }: Connection, error: unknown): string {
  return `WebSocket join failed id=${id} error=${errorField(error)}`;
}

/** The line of a connection that was silent for the idle time. */
export function expiredLine({ id }: Connection, silentMs: number): string {
  return `WebSocket heartbeat expired id=${id} silent=${(silentMs / 1000).toFixed(1)}s`;
}
