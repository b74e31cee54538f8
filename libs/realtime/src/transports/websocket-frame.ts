/** The outgoing frames of RFC 6455 §5.2: final, unmasked, header and payload in one buffer. */
import type { Frame } from '../payload.js';

const FINAL = 0x80;
const TEXT = 0x1;
const BINARY = 0x2;

/** A ping without a payload. */
export const PING = Buffer.from([FINAL | 0x9, 0]);

/** Encodes one message as one frame. A pure function of the frame: its result is shared by all receivers. */
export function encodeFrame(frame: Frame): Buffer {
  const length = frame.size;
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(start + length);
  bytes[0] = FINAL | (frame.isBinary ? BINARY : TEXT);
  if (start === 2) bytes[1] = length;
  else if (start === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    bytes.writeUInt32BE(length >>> 0, 6);
  }
  if (typeof frame.data === 'string') bytes.write(frame.data, start, 'utf8');
  else frame.data.copy(bytes, start);
  return bytes;
}
