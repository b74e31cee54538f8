/**
 * Road IN, step 1, and road OUT, step 10: one WebSocket. Messages are written to the network socket directly
 * (writer.ts). ws writes pongs, close frames and compressed messages to the same socket; the frames that wait for the
 * end of the turn are written before them.
 */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Frame } from '../../frame.js';
import type { LimitName, Limits } from '../../limits/limits.js';
import { TokenBucket } from '../../limits/token-bucket.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Sink, Socket } from '../../transport.js';
import { brokenRule, reasonOf } from './broken-rule.js';
import { encodeFrame, PING } from './encode.js';
import type { Flusher } from './flusher.js';
import { MessageWatch, type Watched } from './message-watch.js';
import type { OrderedWebSocket, WebSocketOwner } from './ordered.js';
import { isWhole } from './scanner.js';
import { LONG_BYTES, type Slab } from './slab.js';
import { own, reportDrain, type StreamOwner } from './stream.js';
import { FLUSH_BYTES, FrameWriter } from './writer.js';

/** Bytes that the socket may hold beyond those the outbox counts: the frame that filled it, and headers. */
const SLACK = 131_072;

/** A socket is not full below this, whatever its high-water mark: 16 KiB on Node 20, 64 KiB from Node 22 on. */
const FULL_BYTES = 65_536;

/** What the WebSockets of a node share. */
export interface SharedByWebSockets {
  readonly settings: RealtimeSettings;
  readonly limits: Limits;
  readonly flusher: Flusher;
  readonly slab: Slab;
}

export class WebSocketSocket extends FrameWriter implements Socket, WebSocketOwner, StreamOwner, Watched {
  private awaitsDrain = false;
  private readonly isCompressed: boolean;
  /** Messages that ws may not have written yet: it compresses in the background, and later messages queue behind. */
  private inWs = 0;
  private watch: MessageWatch | undefined = undefined;
  private controlRate: TokenBucket | undefined = undefined;
  /** How many pings have had no pong. */
  private unanswered = 0;
  private sink!: Sink;

  constructor(
    private readonly webSocket: OrderedWebSocket,
    stream: Duplex,
    private readonly shared: SharedByWebSockets,
  ) {
    super(stream, shared.flusher, shared.slab);
    this.isCompressed = webSocket.extensions.includes('permessage-deflate');
  }

  get bufferedBytes(): number {
    return this.waitingBytes + this.webSocket.bufferedAmount;
  }

  /**
   * Less than `FLUSH_BYTES` wait for the end of the turn, so from its high-water mark on the network socket is the one
   * that is full, and reports when it has drained.
   */
  get isFull(): boolean {
    const bytes = this.bufferedBytes;
    if (bytes < FULL_BYTES || bytes < this.stream.writableHighWaterMark + FLUSH_BYTES) return false;
    if (!this.awaitsDrain && this.stream.writableNeedDrain) {
      this.awaitsDrain = true;
      reportDrain(this.stream);
    }
    return true;
  }

  get protocol(): string {
    return this.webSocket.protocol;
  }

  get isPaused(): boolean {
    return this.webSocket.isPaused;
  }

  attach(sink: Sink): void {
    this.sink = sink;
    this.webSocket.owner = this;
    own(this.stream, this);
  }

  // --- in ---

  received(data: Buffer, isBinary: boolean): void {
    const { settings, limits } = this.shared;
    if (!this.isInChunk) this.sink.alive();
    if (data.length > settings.maxMessageBytes) limits.reached('messageBytes', `bytes=${data.length}`);
    if (!this.isCompressed) this.beginChunk();
    this.sink.received(data, isBinary);
  }

  get isUnfinished(): boolean {
    return this.watch !== undefined && this.watch.isUnfinished;
  }

  heard(chunk: Buffer): void {
    if (this.isInChunk) this.endChunk();
    else this.sink.alive();
    if (this.watch === undefined && isWhole(chunk)) return;
    this.watch ??= new MessageWatch(this, this.shared.settings, this.shared.limits);
    this.watch.heard(chunk);
  }

  pinged(data: Buffer): void {
    if (this.mayControl()) this.webSocket.pong(data, false, ignore);
  }

  /** The answers to our own pings may arrive all at once, when the connection is read again after a pause. */
  ponged(): void {
    if (this.unanswered > 0) this.unanswered--;
    else this.mayControl();
  }

  failed(error: Error): void {
    const broken = brokenRule(error);
    if (!broken) return;
    if (broken.limit) this.shared.limits.reached(broken.limit, `code=${broken.code}`);
    this.sink.failed(broken.code, reasonOf(broken.code, this.shared.settings), broken.initiator);
  }

  closed(code: number, reason: Buffer): void {
    this.watch?.stop();
    this.sink.closed(code, reason.toString());
  }

  drained(): void {
    this.awaitsDrain = false;
    this.sink.drained();
  }

  messageLate(): void {
    this.enforce('messageTime', 1008, 'message not finished in time');
  }

  unwatch(): void {
    this.watch = undefined;
  }

  /** @returns false when the connection is closed, perhaps by this control frame, which was one too many */
  private mayControl(): boolean {
    if (this.webSocket.readyState !== WebSocket.OPEN) return false;
    const { maxControlRate, maxBufferedBytes: max } = this.shared.settings;
    this.controlRate ??= new TokenBucket(maxControlRate || Infinity);
    if (!this.controlRate.take()) this.enforce('controlRate', 4002, 'too many control frames');
    // The outbox does not count pongs: a client that pings and never reads could fill the memory
    else if (this.bufferedBytes > max + SLACK + this.stream.writableHighWaterMark)
      this.enforce('bufferedBytes', 4001, `slow consumer: more than ${max} bytes wait`);
    return this.webSocket.readyState === WebSocket.OPEN;
  }

  private enforce(limit: LimitName, code: number, reason: string): void {
    if (this.webSocket.readyState !== WebSocket.OPEN || !this.shared.limits.reached(limit, `code=${code}`)) return;
    this.sink.failed(code, reason, 'limit');
    this.webSocket.close(code, reason);
  }

  // --- out ---

  send(frame: Frame): boolean {
    if (this.webSocket.readyState !== WebSocket.OPEN) return false;
    const { compressionThresholdBytes } = this.shared.settings;
    if (this.isCompressed && (this.inWs > 0 || frame.size >= compressionThresholdBytes)) this.sendByWs(frame);
    else if (frame.isShared) this.enqueue(frame.encoded(encodeFrame));
    else if (frame.size < LONG_BYTES) this.append(frame);
    else this.writeLong(frame);
    return true;
  }

  /** ws keeps the order of its own messages only: until it has written all of them, it gets every message. */
  private sendByWs(frame: Frame): void {
    this.writeOut();
    frame.keep();
    this.sentAt = performance.now();
    this.inWs++;
    const compress = frame.size >= this.shared.settings.compressionThresholdBytes;
    this.webSocket.send(frame.data, { binary: frame.isBinary, compress }, () => {
      this.inWs--;
      this.sink.drained();
    });
  }

  ping(): void {
    this.unanswered++;
    if (this.inWs > 0) this.webSocket.ping(undefined, false, ignore);
    else if (this.webSocket.readyState === WebSocket.OPEN) this.enqueue(PING);
  }

  close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  terminate(): void {
    this.dropWaiting();
    this.webSocket.terminate();
  }

  pause(): void {
    this.watch?.paused();
    this.webSocket.pause();
  }

  resume(): void {
    this.webSocket.resume();
  }
}

/** A ping fails only when the socket broke, and `close` reports that. */
function ignore(): void {}
