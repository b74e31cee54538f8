/**
 * Road OUT, step 10: one buffer in which long texts are framed for the network socket. Node hands the bytes to the
 * kernel within the call of `write`, unless the client reads too slowly, so the next text can take their place: a
 * message costs no memory, and the garbage collector no time.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Frame } from '../../frame.js';
import { encodeFrame, outgoingHeaderLength, writeFrame } from './encode.js';

/** Frames up to this length: one client that does not read keeps the whole buffer in memory. */
const BUFFER_BYTES = 32_768;

let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

/** Writes a frame to a stream at once; frames that wait MUST have been written before. */
export function writeAtOnce(stream: Duplex, frame: Frame): void {
  const length = outgoingHeaderLength(frame.size) + frame.size;
  // Other streams than Node's own may keep the bytes after they have reported that they are written
  if (length > BUFFER_BYTES || stream.writableLength > 0 || !(stream instanceof Socket)) {
    stream.write(encodeFrame(frame));
    return;
  }
  writeFrame(frame, buffer, 0);
  stream.write(buffer.subarray(0, length));
  if (stream.writableLength > 0) buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
}
