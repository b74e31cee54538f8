/**
 * What workers write to each other: `u32 length · u8 kind · body`, where the length is that of kind and body. Numbers are
 * big-endian. The bodies of PUBLISH, MESSAGE and DONE are binary, the others are JSON or bytes that come back.
 */

export const Kind = {
  /** Who I am: the first frame in both directions. */
  HELLO: 1,
  /** I want these channels. */
  ON: 2,
  /** I do not want these channels any more. */
  OFF: 3,
  /** The channels up to this number are noted. */
  ACK: 4,
  /** All my channels are said: from now on I am there. */
  WELCOME: 5,
  /** To the worker that orders: `u48 counter · u16 length, channel · bytes`. */
  PUBLISH: 6,
  /** From the worker that orders: `u8 length, publisher`, and the body of PUBLISH. */
  MESSAGE: 7,
  /** To the publisher, in its place among the messages: `u48 counter · u32 receivers`. */
  DONE: 8,
  PING: 9,
  PONG: 10,
  /** I order, and will be gone: publish nothing more to me. */
  LEAVING: 11,
  /** I have published to you for the last time. */
  HELD: 12,
  /** I close this connection, and I am not a member any more. */
  BYE: 13,
  /** From now on I order. */
  TAKEOVER: 14,
  /** The one before you is gone for me too. */
  AGREED: 15,
} as const;

export type Kind = (typeof Kind)[keyof typeof Kind];

const KNOWN: ReadonlySet<number> = new Set(Object.values(Kind));

/** Length and kind. */
export const HEADER_BYTES = 5;

const COUNTER_BYTES = 6;

/** What a publish is about. */
export interface Published {
  readonly counter: number;
  readonly channel: string;
  readonly bytes: Buffer;
}

/** @param bodyLength the length of what is written after it */
export function header(kind: Kind, bodyLength: number, extra = 0): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + extra);
  buffer.writeUInt32BE(1 + extra + bodyLength, 0);
  buffer[4] = kind;
  return buffer;
}

/** @param value becomes JSON */
export function jsonFrame(kind: Kind, value: unknown = null): Buffer {
  const body = Buffer.from(JSON.stringify(value));
  return Buffer.concat([header(kind, body.length), body]);
}

/** @returns the body of PUBLISH but for the bytes */
export function publishHead(counter: number, channel: string): Buffer {
  const length = Buffer.byteLength(channel);
  const head = Buffer.allocUnsafe(COUNTER_BYTES + 2 + length);
  head.writeUIntBE(counter, 0, COUNTER_BYTES);
  head.writeUInt16BE(length, COUNTER_BYTES);
  head.write(channel, COUNTER_BYTES + 2);
  return head;
}

/** @throws RangeError when it is too short */
export function readPublished(body: Buffer): Published {
  const counter = body.readUIntBE(0, COUNTER_BYTES);
  const start = COUNTER_BYTES + 2;
  const end = start + body.readUInt16BE(COUNTER_BYTES);
  if (end > body.length) throw new RangeError('A channel is longer than its frame');
  return { counter, channel: body.toString('utf8', start, end), bytes: body.subarray(end) };
}

/** @returns the header of MESSAGE with the publisher; the body of PUBLISH follows */
export function messageHead(publisher: string, bodyLength: number): Buffer {
  const length = Buffer.byteLength(publisher);
  const head = header(Kind.MESSAGE, bodyLength, 1 + length);
  head[HEADER_BYTES] = length;
  head.write(publisher, HEADER_BYTES + 1);
  return head;
}

/** @throws RangeError when it is too short */
export function readMessage(body: Buffer): { publisher: string; published: Buffer } {
  const end = 1 + body.readUInt8(0);
  return { publisher: body.toString('utf8', 1, end), published: body.subarray(end) };
}

export function doneFrame(counter: number, receivers: number): Buffer {
  const frame = header(Kind.DONE, 0, COUNTER_BYTES + 4);
  frame.writeUIntBE(counter, HEADER_BYTES, COUNTER_BYTES);
  frame.writeUInt32BE(receivers, HEADER_BYTES + COUNTER_BYTES);
  return frame;
}

/** @throws RangeError when it is too short */
export function readDone(body: Buffer): { counter: number; receivers: number } {
  return { counter: body.readUIntBE(0, COUNTER_BYTES), receivers: body.readUInt32BE(COUNTER_BYTES) };
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private length = 0;
  /** How many bytes have to be there before the next frame is looked for. */
  private wanted = HEADER_BYTES;

  /**
   * @param maxBytes the longest frame
   * @param frame called with each frame; the body is a slice of what was read
   */
  constructor(
    private readonly maxBytes: number,
    private readonly frame: (kind: Kind, body: Buffer) => void,
  ) {}

  /** @throws RangeError for what cannot be a frame */
  read(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.length < this.wanted) return;
    let rest = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.length);
    for (let end = this.endOf(rest); rest.length >= end; end = this.endOf(rest)) {
      const kind = rest[4]!;
      if (!KNOWN.has(kind)) throw new RangeError(`There is no frame of the kind ${kind}`);
      const body = rest.subarray(HEADER_BYTES, end);
      rest = rest.subarray(end);
      this.frame(kind as Kind, body);
    }
    this.wanted = this.endOf(rest);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.length = rest.length;
  }

  private endOf(bytes: Buffer): number {
    if (bytes.length < HEADER_BYTES) return HEADER_BYTES;
    const length = bytes.readUInt32BE(0);
    if (length < 1 || length > this.maxBytes) throw new RangeError(`A frame has ${length} bytes`);
    return 4 + length;
  }
}
