/** Road OUT, step 10: outgoing frames (RFC 6455 §5.2), final and unmasked, with header and payload in one buffer. */
import type { Frame } from '../../frame.js';
import type { Memory } from './memory.js';
import { copyMessage } from './message-memory.js';

const FINAL = 0x80;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PONG = 0xa;

/** A ping without a payload. */
export const PING = Buffer.from([FINAL | 0x9, 0]);

/** Encodes one message as one frame. A pure function: all receivers share its result. */
export function encodeFrame(frame: Frame): Buffer {
  const bytes = Buffer.allocUnsafe(outgoingHeaderLength(frame.size) + frame.size);
  writeFrame(frame, bytes, 0);
  return bytes;
}

/** @returns how many bytes of header a payload of this size gets */
export function outgoingHeaderLength(size: number): number {
  if (size < 126) return 2;
  return size < 65_536 ? 4 : 10;
}

/**
 * Writes a frame for one client, whose length may be unknown until it is written.
 *
 * @param at before room for a frame of `frame.atMost` bytes
 * @returns where it ends
 */
export function writeShort(frame: Frame, target: Memory, at: number): number {
  const { message } = frame;
  if (message !== undefined) return copyMessage(message, target, writeHeader(frame, target.bytes, at));
  const { bytes } = target;
  const { data } = frame;
  if (frame.isMeasured || typeof data !== 'string') {
    writeFrame(frame, bytes, at);
    return at + outgoingHeaderLength(frame.size) + frame.size;
  }
  const guessed = at + outgoingHeaderLength(data.length);
  const size = bytes.write(data, guessed);
  frame.measured(size);
  const start = at + outgoingHeaderLength(size);
  if (start !== guessed) bytes.copyWithin(start, guessed, guessed + size);
  writeHeader(frame, bytes, at);
  return start + size;
}

/** Writes a whole frame. There MUST be room for it. */
export function writeFrame(frame: Frame, bytes: Buffer, at: number): void {
  const start = writeHeader(frame, bytes, at);
  const { data } = frame;
  if (typeof data !== 'string') bytes.set(data, start);
  // As many bytes as characters means ASCII, which is copied at half the cost of UTF-8
  else bytes.write(data, start, frame.size === data.length ? 'latin1' : 'utf8');
}

/** Writes the header of a frame. @returns where its payload starts */
export function writeHeader({ size, isBinary }: Frame, bytes: Buffer, at: number): number {
  bytes[at] = FINAL | (isBinary ? BINARY : TEXT);
  if (size < 126) {
    bytes[at + 1] = size;
    return at + 2;
  }
  if (size < 65_536) {
    bytes[at + 1] = 126;
    return bytes.writeUInt16BE(size, at + 2);
  }
  bytes[at + 1] = 127;
  bytes.writeUInt32BE(Math.floor(size / 2 ** 32), at + 2);
  return bytes.writeUInt32BE(size >>> 0, at + 6);
}

/** Encodes the answer to a ping with this payload, of at most 125 bytes. */
export function encodePong(payload: Buffer): Buffer {
  return control(PONG, payload);
}

/**
 * Encodes a close frame.
 *
 * @param code 1005 for a frame without a code and a reason
 * @param reason at most 123 bytes
 */
export function encodeClose(code: number, reason: string): Buffer {
  return control(
    CLOSE,
    code === 1005 ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 0xff, ...Buffer.from(reason)]),
  );
}

function control(opcode: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(2 + payload.length);
  bytes[0] = FINAL | opcode;
  bytes[1] = payload.length;
  bytes.set(payload, 2);
  return bytes;
}
