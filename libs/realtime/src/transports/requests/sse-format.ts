/** Road OUT, step 10: messages in the format of server-sent events (WHATWG HTML §9.2.5 and §9.2.6). */
import { asEnvelope } from 'nestjs-realtime-protocol';
import { type Frame, ONLY_A_PLACE } from '../../frame.js';
import { onceForAll } from './shared-text.js';

/** The event name of a binary message; its data is base64. */
export const BINARY_EVENT = 'binary';

/** A comment, which keeps proxies from cutting a silent stream. */
export const COMMENT = ':\n\n';

/** Names that mean something else to a client; an event of the application with such a name is sent as its envelope. */
const RESERVED: ReadonlySet<string> = new Set([BINARY_EVENT, 'open', 'close', 'error', 'message']);

/**
 * Encodes a message, but for its id.
 *
 * @param frame an envelope `{ event, data }` of `emit` becomes an event of that name, other text an unnamed event
 */
export const messageBody = onceForAll(bodyOf);

/** Encodes a message for a client library: always with the text that a WebSocket would carry. */
export const plainBody = onceForAll((frame) =>
  frame.isBinary ? block(BINARY_EVENT, frame.base64) : block(undefined, frame.text),
);

/** @param id the value that the client sends as `Last-Event-ID` when it reconnects */
export function messageBlock(id: string, body: string): string {
  return `id: ${id}\n${body}`;
}

/** Encodes an event of the protocol itself: `open` or `close`. */
export function controlBlock(id: string, event: string, data: unknown): string {
  return `id: ${id}\n${block(event, JSON.stringify(data))}`;
}

function bodyOf(frame: Frame): string {
  // A block without data: the client keeps its id, and no event is dispatched
  if (frame === ONLY_A_PLACE) return '\n';
  if (frame.isBinary) return block(BINARY_EVENT, frame.base64);
  const envelope = frame.isEnvelope ? asEnvelope(JSON.parse(frame.text)) : undefined;
  if (!envelope || !isNameable(envelope.event)) return block(undefined, frame.text);
  return block(envelope.event, JSON.stringify(envelope.data ?? null));
}

function isNameable(event: string): boolean {
  return event !== '' && !RESERVED.has(event) && !/[\r\n]/.test(event);
}

function block(event: string | undefined, data: string): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${event === undefined ? '' : `event: ${event}\n`}${lines.join('')}\n`;
}
