/** Server-sent events (WHATWG HTML §9.2.5 and §9.2.6): how a message is written. */
import { asEnvelope } from 'nestjs-realtime-protocol';
import type { Frame } from '../payload.js';

/** The event name of a binary message; its data is base64. */
export const BINARY_EVENT = 'binary';

/** A comment: keeps proxies from cutting a silent stream. */
export const COMMENT = ':\n\n';

/**
 * @param id what the client states when it comes back (`Last-Event-ID`)
 * @param frame an envelope `{ event, data }` of `emit` becomes an event of that name, other text an unnamed one
 */
export function messageBlock(id: string, frame: Frame): string {
  if (typeof frame.data !== 'string') return block(id, BINARY_EVENT, frame.data.toString('base64'));
  const envelope = frame.isEnvelope ? asEnvelope(JSON.parse(frame.data)) : undefined;
  const isNameable = envelope && envelope.event !== '' && !/[\r\n\0]/.test(envelope.event);
  if (!isNameable) return block(id, undefined, frame.data);
  return block(id, envelope.event, JSON.stringify(envelope.data ?? null));
}

/** An event of the protocol itself: `open`, `close`. */
export function controlBlock(id: string | undefined, event: string, data: unknown): string {
  return block(id, event, JSON.stringify(data));
}

function block(id: string | undefined, event: string | undefined, data: string): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}${lines.join('')}\n`;
}
