/** The log lines of a connection: how it opened, the messages it received, and how it ended. */
import type { CloseInfo, CloseInitiator } from '../close-info.js';
import type { Connection } from '../connection.js';
import { bytesField, errorField, field, label, type Log, quotedField } from '../log.js';
import type { Message } from '../message.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { Traffic } from './known-connection.js';

/** What decides about the lines of a connection, and where they go. */
interface Logging {
  readonly settings: Pick<RealtimeSettings, 'logLifecycle' | 'logMessages'>;
  readonly log: Log;
}

/** Logs that a connection has opened. */
export function logOpened({ settings, log }: Logging, connection: Connection): void {
  if (settings.logLifecycle !== 'all') return;
  const { id, transport, protocol } = connection;
  const spoken = protocol ? ` protocol=${field(protocol)}` : '';
  log.log(`${label(transport)} connection opened id=${id} ${whoseField(connection)}${spoken}`);
}

/** Logs how a connection ended. Without the line of its opening, this one says whose connection it was. */
export function logClosed({ settings, log }: Logging, connection: Connection & Traffic, close: CloseInfo): void {
  const { logLifecycle } = settings;
  if (logLifecycle === 'none' || (logLifecycle === 'failures' && !isFailure(close))) return;
  const { id, transport, messagesIn, bytesIn, messagesOut, bytesOut, openedAt } = connection;
  const { code, reason, initiator } = close;
  const whose = logLifecycle === 'failures' ? ` ${whoseField(connection)}` : '';
  const how = `code=${code} reason=${quotedField(reason)} by=${initiator}`;
  const seconds = ((Date.now() - openedAt) / 1000).toFixed(1);
  const traffic = `in=${messagesIn}/${bytesField(bytesIn)} out=${messagesOut}/${bytesField(bytesOut)}`;
  log.log(`${label(transport)} connection closed id=${id}${whose} ${how} after=${seconds}s ${traffic}`);
}

/** Logs that a client library has lost its wire, and may come back. */
export function logDetached({ settings, log }: Logging, { id, transport }: Connection, why: CloseInitiator): void {
  if (settings.logLifecycle !== 'all') return;
  log.log(`${label(transport)} connection detached id=${id} by=${why}`);
}

/** Logs that a client library goes on over another wire; the line begins with its transport. */
export function logResumed({ settings, log }: Logging, { id, transport }: Connection, absentMs: number): void {
  if (settings.logLifecycle !== 'all') return;
  log.log(`${label(transport)} connection resumed id=${id} after=${(absentMs / 1000).toFixed(1)}s`);
}

/** Logs the length and the kind of a message, never its content. */
export function logMessage({ settings, log }: Logging, { id, transport }: Connection, message: Message): void {
  if (!settings.logMessages) return;
  const { size, isBinary } = message;
  log.verbose(`${label(transport)} message id=${id} bytes=${size} type=${isBinary ? 'binary' : 'text'}`);
}

/** Logs that a connection was silent for the idle time. */
export function logExpired({ settings, log }: Logging, { id, transport }: Connection, silentMs: number): void {
  if (settings.logLifecycle === 'none') return;
  log.warn(`${label(transport)} heartbeat expired id=${id} silent=${(silentMs / 1000).toFixed(1)}s`);
}

/** The line of a command that could not put a connection into a room. */
export function joinFailedLine({ id, transport }: Connection, error: unknown): string {
  return `${label(transport)} join failed id=${id} error=${errorField(error)}`;
}

function whoseField({ path, address, userId }: Connection): string {
  return `path=${field(path)} ip=${address} user=${userId === undefined ? '-' : field(userId)}`;
}

function isFailure({ wasClean, initiator }: CloseInfo): boolean {
  return !wasClean || initiator === 'heartbeat' || initiator === 'limit' || initiator === 'error';
}
