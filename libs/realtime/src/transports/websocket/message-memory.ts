/**
 * Road IN, step 1: the memory of messages that are one frame and have arrived in one read. Short ones are unmasked into a
 * slab, side by side: such a message costs neither a Buffer nor a call of Node's copy.
 */
import { isUtf8 } from 'node:buffer';
import { Message } from '../../message.js';
import { Memory } from './memory.js';
import { copyUnmasked, copyUnmaskedWords, IS_LITTLE_ENDIAN, KEY_BYTES, keyAt } from './unmask.js';

/** As large as Node's own pool: a message that the application keeps does not keep more memory than other short Buffers. */
const SLAB_BYTES = 8192;

/** Up to this many bytes, a message lies in the slab. */
const SHORT_BYTES = IS_LITTLE_ENDIAN ? 1024 : 0;

/** Up to this many bytes, copying four at a time costs less than a call of Node's copy. */
const SHORT_COPY_BYTES = 256;

let slab = new Memory(SLAB_BYTES);
let words = new Int32Array(slab.bytes.buffer);
/** The first word of the slab that is free. */
let free = 0;

/**
 * Takes a masked payload out of the memory of reads.
 *
 * @param start where it starts; its key stands directly before it
 * @returns undefined if it is a text and not UTF-8
 */
export function takeMessage(isBinary: boolean, start: number, length: number): Message | undefined {
  if (length > SHORT_BYTES || length === 0) return takeLong(isBinary, start, length);
  const end = start + length;
  const count = ((end + 3) >> 2) - (start >> 2);
  if (free + count > words.length) renew();
  const isAscii = copyUnmaskedWords(words, free, start, end);
  const at = (free << 2) + (start & 3);
  free += count;
  const message = new Message(slab.bytes, isBinary, at, at + length);
  return isAscii || isBinary || isUtf8(message.bytes()) ? message : undefined;
}

function takeLong(isBinary: boolean, start: number, length: number): Message | undefined {
  const data = Buffer.allocUnsafe(length);
  const isAscii = copyUnmasked(data, start, keyAt(start - KEY_BYTES));
  return isAscii || isBinary || isUtf8(data) ? new Message(data, isBinary) : undefined;
}

function renew(): void {
  slab = new Memory(SLAB_BYTES);
  words = new Int32Array(slab.bytes.buffer);
  free = 0;
}

/**
 * Copies the payload of a message that is passed on. A short one that arrived lately costs no Buffer.
 *
 * @returns where it ends in `target`
 */
export function copyMessage(message: Message, target: Memory, at: number): number {
  const { data, start, end } = message;
  if (data === slab.bytes && end - start <= SHORT_COPY_BYTES) return copyShort(start, end, target, at);
  target.bytes.set(message.bytes(), at);
  return at + message.size;
}

function copyShort(start: number, end: number, target: Memory, at: number): number {
  const { view, bytes } = slab;
  let from = start;
  let to = at;
  for (const last = end - 4; from <= last; from += 4, to += 4) target.view.setInt32(to, view.getInt32(from));
  while (from < end) target.bytes[to++] = bytes[from++]!;
  return to;
}
