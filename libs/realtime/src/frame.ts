/**
 * Road OUT, step 8: an outgoing message. A frame is encoded once per transport, however many connections get it.
 */
import { encodeEnvelope } from 'nestjs-realtime-protocol';
import { checkEvent, type NameBounds } from './limits/checks.js';
import { Message } from './message.js';
import { owned } from './owned.js';

/** What can be sent: a string as a text message, bytes as a binary message, and a received message unchanged. */
export type Payload = string | Uint8Array | ArrayBuffer | Message;

/**
 * What happens when a message would exceed the limit of a client that is too slow (`REALTIME_MAX_BUFFERED_BYTES`):
 * `close` closes the connection with 4001, `drop-newest` drops the message, `drop-oldest` drops the messages that have
 * waited longest. When a client that lost messages has caught up, it gets a `dropped` event with their number.
 */
export type SlowPolicy = 'close' | 'drop-newest' | 'drop-oldest';

/** Options of a push. */
export interface PushOptions {
  /** What happens if a client is too slow. Default: the gateway's `slowConsumer`, else `REALTIME_SLOW_CONSUMER`. */
  readonly slow?: SlowPolicy;
}

/** Options of a push to a room or a user. */
export interface RoomPushOptions extends PushOptions {
  /**
   * In a room with history: a push with a key that was used there in the last five minutes is not published again, so it
   * may be repeated after `unknown`. 1 to `REALTIME_MAX_NAME_LENGTH` characters. Default: none.
   */
  readonly key?: string;
  /**
   * True in a room with history: the message goes to those who are there now, as in a room without, and is not kept; it
   * also goes out while the broker is away. Default: false.
   */
  readonly volatile?: boolean;
}

/** The most bytes of UTF-8 that a character of a string takes. */
const MOST_BYTES = 3;

/** Turns a frame into the bytes of one transport. A transport always passes the same function. */
export type Encoder = (frame: Frame) => Buffer;

/** One outgoing message. Its encoded bytes are computed once per encoder and shared by all receivers. */
export class Frame {
  /** True when several connections may get it: its encoded bytes are then kept for them. */
  isShared = false;
  private encoder?: Encoder;
  private bytes?: Buffer;
  private length = -1;

  constructor(
    /** The payload; a received message that is passed on stands for its own. Only `keep` replaces it, by a copy. */
    private content: string | Buffer | Message,
    /** What happens if a client is too slow; default: the gateway's policy. */
    readonly slow?: SlowPolicy,
    /** True for an `{ event, data }` envelope of `emit`; SSE sends it as a named event. */
    readonly isEnvelope = false,
    /** False for text; `data` may hold it as a string or as UTF-8 bytes. */
    readonly isBinary = typeof content !== 'string',
  ) {}

  /**
   * Makes a frame of a payload from the application.
   *
   * @throws TypeError for a payload that is neither text nor bytes
   */
  static of(payload: Payload, slow?: SlowPolicy): Frame {
    if (typeof payload === 'string') return new Frame(payload, slow);
    if (payload instanceof Uint8Array)
      return new Frame(Buffer.from(payload.buffer, payload.byteOffset, payload.length), slow);
    if (payload instanceof Message) return new Frame(payload, slow, false, payload.isBinary);
    if (payload instanceof ArrayBuffer) return new Frame(Buffer.from(payload), slow);
    throw new TypeError(
      `Expected a string, bytes or a message to send, got ${payload === null ? 'null' : typeof payload}: use emit(event, data) or JSON.stringify()`,
    );
  }

  /**
   * MUST be called before the frame waits or is kept: a received message that is passed on would keep its whole network
   * read in memory. It is copied at most once, for all receivers.
   */
  keep(): void {
    if (typeof this.content !== 'string') this.content = owned(bytesOf(this.content));
  }

  /** The payload. */
  get data(): string | Buffer {
    return typeof this.content === 'string' ? this.content : bytesOf(this.content);
  }

  /** The received message that is passed on: its bytes can be copied without a Buffer for them. */
  get message(): Message | undefined {
    return this.content instanceof Message ? this.content : undefined;
  }

  /** The payload of a text message. */
  get text(): string {
    if (typeof this.content === 'string') return this.content;
    return this.content instanceof Message ? this.content.text() : this.content.toString('utf8');
  }

  /** The payload of a binary message, for a transport that can carry only text. */
  get base64(): string {
    return Buffer.from(this.data).toString('base64');
  }

  /** The payload's length in bytes. */
  get size(): number {
    if (this.length < 0) this.length = lengthOf(this.content);
    return this.length;
  }

  /** The most bytes that the payload may have: counting those of a text costs as much as writing it. */
  get atMost(): number {
    return this.isMeasured || typeof this.content !== 'string' ? this.size : this.content.length * MOST_BYTES;
  }

  /** True if the length in bytes has been asked for, or noted by a transport. */
  get isMeasured(): boolean {
    return this.length >= 0;
  }

  /** A transport has written the payload, and knows its length in bytes. */
  measured(size: number): void {
    this.length = size;
  }

  /** @returns the bytes of one transport; all calls with the same encoder return the same Buffer */
  encoded(encoder: Encoder): Buffer {
    if (this.encoder !== encoder || !this.bytes) {
      this.bytes = encoder(this);
      this.encoder = encoder;
    }
    return this.bytes;
  }

  /** Forgets the bytes of the transport: whoever gets it later has them made again. */
  forget(): void {
    this.bytes = undefined;
  }
}

function bytesOf(content: Buffer | Message): Buffer {
  return content instanceof Message ? content.bytes() : content;
}

function lengthOf(content: string | Buffer | Message): number {
  return content instanceof Message ? content.size : Buffer.byteLength(content);
}

/** A frame of the protocol itself: it is never dropped, because its client would then miss something and not know it. */
export class NoticeFrame extends Frame {
  constructor(event: string, data: unknown) {
    super(encodeEnvelope(event, data), undefined, true);
  }
}

/** Not a message: it only moves the place at which the client of a stream of events stands. */
export const ONLY_A_PLACE = new NoticeFrame('', undefined);

/** A message about a session itself; it is not one of its numbered messages. */
export class ControlFrame extends Frame {}

/**
 * Makes the frame of an `{ event, data }` envelope.
 *
 * @throws TypeError when `data` cannot be encoded as JSON; RealtimeError `bad_name`
 */
export function eventFrame(event: string, data: unknown, slow: SlowPolicy | undefined, bounds: NameBounds): Frame {
  checkEvent(event, bounds);
  return new Frame(encodeEnvelope(event, data), slow, true);
}
