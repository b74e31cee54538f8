/** Frames of a client as bytes, and the bytes of a case as chunks. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A key in which no two bytes are the same, and none is 0. */
const KEY = Buffer.from([0x12, 0xf4, 0x56, 0x9b]);

/**
 * Builds one frame (RFC 6455 §5.2). What is left out follows the rules.
 *
 * @param parts `form` is how the length is written: in 7, 16 or 64 bits; `length` is the length in the header
 */
export function frame(opcode, payload = '', parts = {}) {
  const data = Buffer.from(payload);
  const { fin = true, rsv = 0, isMasked = true, length = data.length, key = KEY } = parts;
  const form = parts.form ?? (length < 126 ? 7 : length < 65_536 ? 16 : 64);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  if (form === 7) head.push(Number(length));
  if (form === 16) head.push(126, Number(length) >> 8, Number(length) & 0xff);
  const long = Buffer.alloc(8);
  long.writeBigUInt64BE(BigInt(length));
  if (form === 64) head.push(127, ...long);
  if (!isMasked) return Buffer.concat([Buffer.from(head), data]);
  head[1] |= 0x80;
  return Buffer.concat([Buffer.from(head), key, data.map((byte, index) => byte ^ key[index & 3])]);
}

/** Builds a close frame; without a code its payload is empty. */
export function closeFrame(code, reason = '') {
  if (code === undefined) return frame(OPCODE.close);
  return frame(OPCODE.close, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]));
}

/** Builds the frames of one message, a frame for each part. */
export function fragments(opcode, parts) {
  return parts.map((part, index) =>
    frame(index === 0 ? opcode : OPCODE.continuation, part, { fin: index === parts.length - 1 }),
  );
}

/** Cuts bytes at the places, which are in order. */
export function cut(bytes, places) {
  const cuts = [0, ...places, bytes.length];
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}
