/**
 * Road OUT, step 8: what is sent. A Frame is encoded once per wire, however many connections it goes to.
 */
import { encodeEnvelope } from 'nestjs-realtime-protocol';
import { checkName, type NameBounds } from './limits/checks.js';
import { Message } from './message.js';

/** What can be sent: a string becomes a text message, bytes a binary one; a message that came in is passed on as it is. */
export type Payload = string | Uint8Array | ArrayBuffer | Message;

/**
 * What happens to a message for a client that is too slow, when its bound is reached: `close` the connection with 4001,
 * drop the message (`drop-newest`), or drop those that wait longest (`drop-oldest`). A client that lost messages is told
 * how many, with a `dropped` event, when it has caught up.
 */
export type SlowPolicy = 'close' | 'drop-newest' | 'drop-oldest';

/** How to send. */
export interface PushOptions {
  /** Default: the gateway's `slowConsumer`, else `REALTIME_SLOW_CONSUMER`. */
  readonly slow?: SlowPolicy;
}

/** Turns a frame into the bytes of one wire. A transport has one, and always the same function. */
export type Encoder = (frame: Frame) => Buffer;

/** One outgoing message; `encoded` is computed once per encoder and shared by all receivers. */
export class Frame {
  /** Several connections may get it: what it is encoded to is kept for them. */
  isShared = false;
  private encoder?: Encoder;
  private bytes?: Buffer;
  private length = -1;

  constructor(
    readonly data: string | Buffer,
    /** What to do with it at a client that is too slow; default: the gateway's policy. */
    readonly slow?: SlowPolicy,
    /** True for an `{ event, data }` envelope of `emit`; SSE makes a named event of it. */
    readonly isEnvelope = false,
    /** False for text, which may be given as its UTF-8 bytes. */
    readonly isBinary = typeof data !== 'string',
  ) {}

  /**
   * Makes a frame of what the application wants to send.
   *
   * @throws TypeError when it is neither text nor bytes
   */
  static of(payload: Payload, slow?: SlowPolicy): Frame {
    if (typeof payload === 'string') return new Frame(payload, slow);
    if (payload instanceof Uint8Array)
      return new Frame(Buffer.from(payload.buffer, payload.byteOffset, payload.length), slow);
    if (payload instanceof Message) return new Frame(payload.bytes(), slow, false, payload.isBinary);
    if (payload instanceof ArrayBuffer) return new Frame(Buffer.from(payload), slow);
    throw new TypeError(
      `Expected a string, bytes or a message to send, got ${payload === null ? 'null' : typeof payload}: use emit(event, data) or JSON.stringify()`,
    );
  }

  /** The payload of a text message. */
  get text(): string {
    return typeof this.data === 'string' ? this.data : this.data.toString('utf8');
  }

  /** The payload of a binary message, for a wire that has only text. */
  get base64(): string {
    return Buffer.from(this.data).toString('base64');
  }

  /** The payload's length in bytes. */
  get size(): number {
    if (this.length < 0) this.length = Buffer.byteLength(this.data);
    return this.length;
  }

  encoded(encoder: Encoder): Buffer {
    if (this.encoder !== encoder || !this.bytes) {
      this.bytes = encoder(this);
      this.encoder = encoder;
    }
    return this.bytes;
  }
}

/**
 * Makes the frame of an `{ event, data }` envelope.
 *
 * @throws TypeError when `data` cannot be encoded as JSON; RealtimeError `bad_name`
 */
export function eventFrame(event: string, data: unknown, slow: SlowPolicy | undefined, bounds: NameBounds): Frame {
  checkName('event', event, bounds);
  return new Frame(encodeEnvelope(event, data), slow, true);
}
