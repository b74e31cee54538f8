/**
 * Road IN, step 1, and road OUT, step 10: what all WebSockets share, whoever reads them. Messages are written to the
 * network socket directly (writer.ts). Pings, pongs and unfinished messages are held to the limits here.
 */
import type { Duplex } from 'node:stream';
import type { Frame } from '../../frame.js';
import type { LimitName, Limits } from '../../limits/limits.js';
import { TokenBucket } from '../../limits/token-bucket.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Sink, Socket } from '../../transport.js';
import { type BrokenRule, reasonOf } from './broken-rule.js';
import { encodeFrame, PING } from './encode.js';
import type { Flusher } from './flusher.js';
import { MessageWatch, type Progress, type Watched } from './message-watch.js';
import type { ReceiverBounds } from './receiver.js';
import { LONG_BYTES, type Slab } from './slab.js';
import { FLUSH_BYTES, FrameWriter } from './writer.js';

/** Bytes that the socket may hold beyond those the outbox counts: the frame that filled it, and headers. */
const SLACK = 131_072;

/** A socket is not full below this, whatever its high-water mark: 16 KiB on Node 20, 64 KiB from Node 22 on. */
const FULL_BYTES = 65_536;

/** The states of a WebSocket, as browsers number them. */
export const OPEN = 1;
export const CLOSING = 2;
export const CLOSED = 3;

/** What the WebSockets of a node share. */
export interface SharedByWebSockets {
  readonly settings: RealtimeSettings;
  readonly limits: Limits;
  readonly flusher: Flusher;
  readonly slab: Slab;
  /** The limits of receivers. */
  readonly bounds: ReceiverBounds;
}

export abstract class WebSocketSocket extends FrameWriter implements Socket, Watched {
  private awaitsDrain = false;
  private watch: MessageWatch | undefined = undefined;
  private controlRate: TokenBucket | undefined = undefined;
  /** How many pings have had no pong. */
  protected unanswered = 0;
  protected sink!: Sink;

  constructor(
    stream: Duplex,
    protected readonly shared: SharedByWebSockets,
  ) {
    super(stream, shared.flusher, shared.slab);
  }

  abstract readonly protocol: string;
  abstract readonly readyState: number;
  abstract readonly isPaused: boolean;
  abstract get bufferedBytes(): number;
  /** Starts to read. Called once, before all other methods. */
  abstract attach(sink: Sink): void;
  abstract close(code: number, reason: string): void;
  abstract terminate(): void;
  abstract resume(): void;
  protected abstract pong(payload: Buffer): void;

  /**
   * Less than `FLUSH_BYTES` wait for the end of the turn, so from its high-water mark on the network socket is the one
   * that is full, and reports when it has drained.
   */
  get isFull(): boolean {
    const bytes = this.bufferedBytes;
    if (bytes < FULL_BYTES || bytes < this.stream.writableHighWaterMark + FLUSH_BYTES) return false;
    if (!this.awaitsDrain && this.stream.writableNeedDrain) {
      this.awaitsDrain = true;
      this.stream.once('drain', () => this.drained());
    }
    return true;
  }

  private drained(): void {
    this.awaitsDrain = false;
    this.sink.drained();
  }

  // --- in ---

  pinged(payload: Buffer): void {
    if (this.mayControl()) this.pong(payload);
  }

  /** The answers to our own pings may arrive all at once, when the connection is read again after a pause. */
  ponged(): void {
    if (this.unanswered > 0) this.unanswered--;
    else this.mayControl();
  }

  /** Limits the time of a message that is unfinished after a read. */
  protected watchOver(progress: Progress): void {
    if (this.watch === undefined && !progress.isUnfinished) return;
    this.watch ??= new MessageWatch(this, progress, this.shared.settings.messageTimeout);
    this.watch.look();
  }

  protected stopWatch(): void {
    this.watch?.stop();
  }

  messageLate(): void {
    this.enforce('messageTime', 1008, 'message not finished in time');
  }

  unwatch(): void {
    this.watch = undefined;
  }

  pause(): void {
    this.watch?.paused();
  }

  protected countLong(bytes: number): void {
    const { settings, limits } = this.shared;
    if (bytes > settings.maxMessageBytes) limits.reached('messageBytes', `bytes=${bytes}`);
  }

  /** Reports a rule that the client broke. @returns the reason for its close frame */
  protected reportBroken({ code, initiator, limit }: BrokenRule): string {
    const reason = reasonOf(code, this.shared.settings);
    if (limit) this.shared.limits.reached(limit, `code=${code}`);
    this.sink.failed(code, reason, initiator);
    return reason;
  }

  /** @returns false when the connection is closed, perhaps by this control frame, which was one too many */
  private mayControl(): boolean {
    if (this.readyState !== OPEN) return false;
    const { maxControlRate, maxBufferedBytes: max } = this.shared.settings;
    this.controlRate ??= new TokenBucket(maxControlRate || Infinity);
    if (!this.controlRate.take()) this.enforce('controlRate', 4002, 'too many control frames');
    // The outbox does not count pongs: a client that pings and never reads could fill the memory
    else if (this.bufferedBytes > max + SLACK + this.stream.writableHighWaterMark)
      this.enforce('bufferedBytes', 4001, `slow consumer: more than ${max} bytes wait`);
    return this.readyState === OPEN;
  }

  private enforce(limit: LimitName, code: number, reason: string): void {
    if (this.readyState !== OPEN || !this.shared.limits.reached(limit, `code=${code}`)) return;
    this.sink.failed(code, reason, 'limit');
    this.close(code, reason);
  }

  // --- out ---

  send(frame: Frame): boolean {
    if (this.readyState !== OPEN) return false;
    if (frame.isShared) this.enqueue(frame.encoded(encodeFrame));
    else if (frame.atMost < LONG_BYTES || frame.size < LONG_BYTES) this.append(frame);
    else this.writeLong(frame);
    return true;
  }

  ping(): void {
    if (this.readyState !== OPEN) return;
    this.unanswered++;
    this.enqueue(PING);
  }
}
