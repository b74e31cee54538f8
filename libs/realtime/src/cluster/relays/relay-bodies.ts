/** The bytes behind the JSON of a forwarded request, and the body of a part of a relayed response. */
import { isUtf8 } from 'node:buffer';
import type { ClientMessage } from '../../transport.js';
import type { RelayData } from './relay-messages.js';

/** Before each message: one byte, 1 for binary, and four bytes of length. */
const MESSAGE_HEAD = 5;

/** Writes the messages of a client, each behind its kind and its length. */
export function packMessages(messages: readonly ClientMessage[]): Buffer {
  const length = messages.reduce((sum, { data }) => sum + MESSAGE_HEAD + data.length, 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { data, isBinary } of messages) {
    at = bytes.writeUInt8(isBinary ? 1 : 0, at);
    at = bytes.writeUInt32BE(data.length, at);
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** @returns the messages, as slices; undefined when the bytes are not messages, or a text is not UTF-8 */
export function unpackMessages(bytes: Buffer): ClientMessage[] | undefined {
  const messages: ClientMessage[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + MESSAGE_HEAD > bytes.length || bytes[at]! > 1) return undefined;
    const isBinary = bytes[at] === 1;
    const start = at + MESSAGE_HEAD;
    at = start + bytes.readUInt32BE(at + 1);
    if (at > bytes.length) return undefined;
    const data = bytes.subarray(start, at);
    if (!isBinary && !isUtf8(data)) return undefined;
    messages.push({ data, isBinary });
  }
  return messages;
}

/** `u8` length of the id, id, `u32` number, bytes. */
export function packData({ id, seq, bytes }: RelayData): Buffer {
  const packed = Buffer.allocUnsafe(1 + id.length + 4 + bytes.length);
  packed[0] = id.length;
  const at = packed.writeUInt32BE(seq, 1 + packed.write(id, 1, 'latin1'));
  packed.set(bytes, at);
  return packed;
}

/** @returns undefined when it is not a part of a response */
export function unpackData(body: Buffer): RelayData | undefined {
  const end = 1 + (body[0] ?? 0);
  if (body.length < end + 4) return undefined;
  const id = body.toString('latin1', 1, end);
  const seq = body.readUInt32BE(end);
  if (seq === 0 || !/^[\w-]{1,64}$/.test(id)) return undefined;
  return { id, seq, bytes: body.subarray(end + 4) };
}
