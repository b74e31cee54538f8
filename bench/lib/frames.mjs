/** The frames of a benchmark client: it writes masked frames, and it counts the frames that the server sends. */

/** One masked client frame (RFC 6455 §5.2). The key is not 0: an all-zero key would spare some servers the unmasking. */
export function clientFrame(payload, { isBinary = false, opcode = isBinary ? 2 : 1 } = {}) {
  const data = Buffer.from(payload);
  const key = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  const extended = data.length < 126 ? 0 : data.length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + extended + 4 + data.length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (extended === 0 ? data.length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(data.length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(data.length), 2);
  key.copy(frame, 2 + extended);
  for (let i = 0; i < data.length; i++) frame[6 + extended + i] = data[i] ^ key[i & 3];
  return frame;
}

export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** Counts the data frames in what a server sends, however the frames are cut into chunks. */
export class FrameCounter {
  skip = 0;
  rest = undefined;

  /** @param onControl is called with the opcode and the payload of every control frame; do not keep the payload */
  constructor(onControl) {
    this.onControl = onControl;
  }

  /** @returns how many data frames end in this chunk */
  count(chunk, end) {
    const bytes = this.rest ? Buffer.concat([this.rest, chunk.subarray(0, end)]) : chunk;
    const length = this.rest ? bytes.length : end;
    this.rest = undefined;
    let at = Math.min(this.skip, length);
    let found = at > 0 && at === this.skip ? 1 : 0;
    this.skip -= at;
    while (at < length) {
      const header = length - at < 2 ? Infinity : headerLength(bytes[at + 1]);
      const size = length - at < header ? 0 : payloadLength(bytes, at);
      const next = at + header + size;
      const isControl = (bytes[at] & 0x08) !== 0;
      // A header or a control frame that is cut waits for its rest; a message is only skipped
      if (length - at < header || (isControl && next > length)) {
        this.rest = Buffer.from(bytes.subarray(at, length));
        break;
      }
      if (isControl) this.onControl(bytes[at] & 0x0f, bytes.subarray(at + header, next));
      else if (next > length) this.skip = next - length;
      else found++;
      at = next;
    }
    return found;
  }
}

function headerLength(second) {
  const length = second & 0x7f;
  return length < 126 ? 2 : length === 126 ? 4 : 10;
}

function payloadLength(bytes, at) {
  const length = bytes[at + 1] & 0x7f;
  if (length < 126) return length;
  return length === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
}
