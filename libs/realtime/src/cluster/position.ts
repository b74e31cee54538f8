/**
 * The place of an entry in the history of its room. The engine writes it before the frame, so it is not signed. It
 * names the entry before, so that a hole is seen by whoever reads it.
 */
import type { EntryPosition } from '../position.js';
import type { DropReason } from './format.js';

/** The longest prefix: 15 digits, two tags of 6 characters, two dots and a space. */
export const MAX_PREFIX = 30;

const PREFIX = /^([1-9]\d{0,14})\.([\w-]{6})\.([\w-]{6}|) /;

/**
 * Reads the position at the beginning of a frame.
 *
 * @returns the position, and where the frame begins
 */
export function readPosition(
  bytes: Buffer,
): { readonly position: EntryPosition; readonly length: number } | DropReason {
  const match = PREFIX.exec(bytes.toString('latin1', 0, MAX_PREFIX));
  if (!match) return 'bad_position';
  const [prefix, n, tag, previous] = match as unknown as [string, string, string, string];
  return { position: { n: Number(n), tag, previous }, length: prefix.length };
}

/** @returns what an engine writes before the frame of an entry, the space included */
export const prefixOf = ({ n, tag, previous }: EntryPosition): string => `${n}.${tag}.${previous} `;
