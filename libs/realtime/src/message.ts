import { MessageError } from './errors.js';

/** Up to this many bytes, reading them one by one costs less than a Buffer to search in. */
const SHORT_BYTES = 256;

/** One message from a client. It is decoded only when the application asks for it, and only once. */
export class Message {
  private decoded: string | undefined = undefined;
  private parsed: { value: unknown } | undefined = undefined;

  /**
   * @param data the payload, from `start` to `end`; default: all of it
   */
  constructor(
    /** @internal The memory that the payload lies in, which other messages may share. */
    public data: Buffer,
    /** True for a binary message (RFC 6455 opcode 2), false for text. */
    readonly isBinary: boolean,
    /** @internal */
    public start = 0,
    /** @internal */
    public end = data.length,
  ) {}

  /** The payload's length in bytes. */
  get size(): number {
    return this.end - this.start;
  }

  /**
   * The payload as bytes. They belong to the message: copy them before you change them. As with all small Buffers in
   * Node, the underlying `buffer` is shared: a view on it needs `byteOffset` and `length`.
   *
   * @example const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
   */
  bytes(): Buffer {
    const { data, start, end } = this;
    if (end - start < data.length) this.data = data.subarray(start, end);
    this.start = 0;
    this.end = end - start;
    return this.data;
  }

  /** @internal Whether the payload holds these bytes. For a short one no Buffer is made. */
  holds(bytes: Buffer): boolean {
    const { data } = this;
    if (this.size > SHORT_BYTES) return this.bytes().includes(bytes);
    for (let at = this.start, last = this.end - bytes.length; at <= last; at++) {
      let same = 0;
      while (same < bytes.length && data[at + same] === bytes[same]) same++;
      if (same === bytes.length) return true;
    }
    return false;
  }

  /** The payload as text (UTF-8). */
  text(): string {
    return (this.decoded ??= this.data.toString('utf8', this.start, this.end));
  }

  /**
   * The payload as JSON.
   *
   * @returns the parsed value; every call returns the same one
   * @throws MessageError `bad_json` for a payload that is not JSON. If `onMessage` does not catch it, the client gets
   *   it in an `exception` frame and the connection stays open
   * @example const { room } = message.json<{ room: string }>();
   */
  json<T = unknown>(): T {
    this.parsed ??= { value: parse(this.text()) };
    return this.parsed.value as T;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MessageError('bad_json', 'The message is not valid JSON', {}, { cause });
  }
}
