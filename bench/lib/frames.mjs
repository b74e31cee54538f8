/** What a benchmark client writes and reads: a masked frame made once, and a counter of the frames that come back. */

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

export const PONG = clientFrame('', { opcode: 10 });

/** Counts the data frames in what a server sends, however it is cut into chunks. Pings are only noted. */
export class FrameCounter {
  pings = 0;
  skip = 0;
  rest = undefined;

  /** @returns how many data frames end in this chunk */
  count(chunk, end) {
    let bytes = chunk;
    let length = end;
    if (this.rest) {
      bytes = Buffer.concat([this.rest, chunk.subarray(0, end)]);
      length = bytes.length;
      this.rest = undefined;
    }
    let found = 0;
    let at = 0;
    if (this.skip > 0) {
      at = Math.min(this.skip, length);
      this.skip -= at;
      if (this.skip > 0) return 0;
      found++;
    }
    while (at < length) {
      const header = length - at < 2 ? Infinity : headerLength(bytes[at + 1]);
      if (length - at < header) {
        this.rest = Buffer.from(bytes.subarray(at, length));
        break;
      }
      const size = payloadLength(bytes, at);
      const isData = (bytes[at] & 0x0f) < 8;
      if ((bytes[at] & 0x0f) === 9) this.pings++;
      at += header + size;
      if (at > length) {
        // control frames are tiny: one that is cut is taken for data at most once in a run
        this.skip = at - length;
        break;
      }
      if (isData) found++;
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
