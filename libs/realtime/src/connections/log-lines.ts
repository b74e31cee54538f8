/** The two lines of every connection: it opened, and how it ended. */
import type { CloseInfo } from '../close-info.js';
import type { LiveConnection } from './live-connection.js';
import { bytesField, field, quotedField } from '../log.js';

export function openedLine({ id, path, address, userId, protocol }: LiveConnection): string {
  const user = userId === undefined ? '-' : field(userId);
  const spoken = protocol ? ` protocol=${field(protocol)}` : '';
  return `WebSocket connection opened id=${id} path=${field(path)} ip=${address} user=${user}${spoken}`;
}

export function closedLine(connection: LiveConnection, { code, reason, initiator }: CloseInfo): string {
  const { id, messagesIn, bytesIn, messagesOut, bytesOut, openedAt } = connection;
  const how = `code=${code} reason=${quotedField(reason)} by=${initiator}`;
  const after = `after=${((Date.now() - openedAt) / 1000).toFixed(1)}s`;
  const traffic = `in=${messagesIn}/${bytesField(bytesIn)} out=${messagesOut}/${bytesField(bytesOut)}`;
  return `WebSocket connection closed id=${id} ${how} ${after} ${traffic}`;
}
