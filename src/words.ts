import { MessageError } from 'nestjs-realtime';
import type { Words } from './chat.contract.js';

const LONGEST_TEXT = 2000;
const LONGEST_KEY = 64;

/** Returns whether it is a text with something in it. */
export function isText(value: unknown, longest = LONGEST_TEXT): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= longest;
}

/**
 * Checks what somebody says: a client can send anything.
 *
 * @throws MessageError `bad_text` or `bad_key`
 */
export function wordsOf(body: unknown): Words & { to?: unknown } {
  const { text, key, to } = (body ?? {}) as Record<string, unknown>;
  if (!isText(text)) throw new MessageError('bad_text', `Expected a text of 1 to ${LONGEST_TEXT} characters`);
  if (key !== undefined && !isText(key, LONGEST_KEY))
    throw new MessageError('bad_key', `Expected a key of 1 to ${LONGEST_KEY} characters`);
  return { text, key, to };
}
