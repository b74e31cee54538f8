import { MessageError } from './errors.js';

/** One message from a client. Nothing is decoded before it is asked for, and nothing twice. */
export class Message {
  private decoded?: string;
  private parsed?: { value: unknown };

  constructor(
    private readonly data: Buffer,
    /** True for a binary message (RFC 6455 opcode 2), false for text. */
    readonly isBinary: boolean,
  ) {}

  /** The payload's length in bytes. */
  get size(): number {
    return this.data.length;
  }

  /**
   * The payload as bytes. It is the message's own memory: copy it before changing it. As with all small Buffers of Node,
   * the `buffer` beneath is shared: a view on it needs `byteOffset` and `length`.
   *
   * @example const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
   */
  bytes(): Buffer {
    return this.data;
  }

  /** The payload as text (UTF-8). */
  text(): string {
    return (this.decoded ??= this.data.toString('utf8'));
  }

  /**
   * The payload as JSON.
   *
   * @throws MessageError `bad_json`: not caught in `onMessage`, the client gets it as an `exception` frame and the
   *   connection stays
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
