/**
 * Road IN, step 1: unmasks payloads (RFC 6455 §5.3) in the memory that sockets are read into: long ones with vector
 * instructions, others four bytes at a time. The long loop is a function of its own over one typed array: so it is
 * compiled once, for every size of payload.
 */
import { MEMORY, VECTOR } from './read-buffer.js';

const WORDS = new Int32Array(MEMORY.buffer);

/** From so many bytes on, vector instructions cost less than the loops here. */
const VECTOR_BYTES = 128;

/** The length of a masking key. */
export const KEY_BYTES = 4;

/** The bits that only bytes outside ASCII have, in four bytes. */
const NOT_ASCII = 0x80_80_80_80 | 0;

export const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Returns the masking key at an offset, with its first byte in the lowest bits.
 */
export function keyAt(at: number): number {
  return MEMORY[at]! | (MEMORY[at + 1]! << 8) | (MEMORY[at + 2]! << 16) | (MEMORY[at + 3]! << 24);
}

/** Returns the key for the payload that starts `by` bytes later. */
export function turned(key: number, by: number): number {
  const bits = (by & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/**
 * Unmasks bytes where they are.
 *
 * @param key for the byte at `start`
 * @returns true if all bytes are ASCII
 */
export function unmask(start: number, end: number, key: number): boolean {
  if (VECTOR && end - start >= VECTOR_BYTES) return VECTOR.unmask(start, end, key) === 0;
  const aligned = Math.min((start + 3) & ~3, end);
  const last = Math.max(aligned, end & ~3);
  const seen =
    unmaskBytes(start, aligned, key) |
    unmaskWords(aligned >> 2, last >> 2, turned(key, aligned - start)) |
    unmaskBytes(last, end, turned(key, last - start));
  return (seen & NOT_ASCII) === 0;
}

function unmaskBytes(start: number, end: number, key: number): number {
  let seen = 0;
  for (let at = start; at < end; at++) {
    const byte = (MEMORY[at]! ^ turned(key, at - start)) & 0xff;
    MEMORY[at] = byte;
    seen |= byte;
  }
  return seen;
}

function unmaskWords(start: number, end: number, key: number): number {
  const word = IS_LITTLE_ENDIAN ? key : swapped(key);
  const last = end - 7;
  let seen = 0;
  let at = start;
  for (; at < last; at += 8) {
    seen |= (WORDS[at]! ^= word) | (WORDS[at + 1]! ^= word) | (WORDS[at + 2]! ^= word) | (WORDS[at + 3]! ^= word);
    seen |= (WORDS[at + 4]! ^= word) | (WORDS[at + 5]! ^= word) | (WORDS[at + 6]! ^= word) | (WORDS[at + 7]! ^= word);
  }
  for (; at < end; at++) seen |= WORDS[at]! ^= word;
  return seen;
}

function swapped(key: number): number {
  return (key << 24) | ((key & 0xff00) << 8) | ((key >>> 8) & 0xff00) | (key >>> 24);
}

/**
 * Copies the payload that starts at `start`, unmasked, into the whole of `target`.
 *
 * @returns true if all bytes are ASCII
 */
export function copyUnmasked(target: Buffer, start: number, key: number): boolean {
  const end = start + target.length;
  const isAscii = unmask(start, end, key);
  MEMORY.copy(target, 0, start, end);
  return isAscii;
}

/**
 * Copies the words that a payload lies in, unmasked, on machines whose words begin with their lowest bits. Up to three
 * bytes before the payload become 0, because they are those of the key; up to three bytes behind it mean nothing.
 *
 * @param to the first word in `target`
 * @param start where the payload starts; its key stands directly before it
 * @param end more than `start`
 * @returns true if all bytes of the payload are ASCII
 */
export function copyUnmaskedWords(target: Int32Array, to: number, start: number, end: number): boolean {
  const word = turned(keyAt(start - KEY_BYTES), -start);
  const last = (end - 1) >> 2;
  let seen = 0;
  for (let at = start >> 2; at < last; at++) {
    const unmasked = WORDS[at]! ^ word;
    target[to++] = unmasked;
    seen |= unmasked;
  }
  const unmasked = WORDS[last]! ^ word;
  target[to] = unmasked;
  const bitsBehind = (-end & 3) << 3;
  return ((seen & NOT_ASCII) | (unmasked & (NOT_ASCII >>> bitsBehind))) === 0;
}
