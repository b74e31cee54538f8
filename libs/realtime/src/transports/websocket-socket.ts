/**
 * Road OUT, step 10: one WebSocket. Frames are written to the network socket directly, all of one turn of the event loop
 * in one write; control frames, closing and compressed messages are ws's, which writes to the same socket in order.
 */
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import type { LimitName, Limits } from '../limits.js';
import type { Frame } from '../payload.js';
import type { RealtimeSettings } from '../settings.js';
import { TokenBucket } from '../token-bucket.js';
import type { Sink, Socket } from './transport.js';
import { brokenRule, reasonOf } from './websocket-errors.js';
import { encodeFrame } from './websocket-frame.js';
import { FrameScanner } from './websocket-scanner.js';

/** What may be in the socket beside what the outbox counts: the frame that filled it, and its headers. */
const SLACK = 131_072;

export class WebSocketSocket implements Socket {
  private isCorked = false;
  private readonly isCompressed: boolean;
  private readonly scanner: FrameScanner;
  /** What the scanner had counted when it was last looked at. */
  private tooFragmented = 0;
  private tooSpread = 0;
  private controlRate?: TokenBucket;
  private messageTimer?: NodeJS.Timeout;
  /** Messages finished when the timer was set. */
  private timedAfter = 0;
  /** This side has not read since the timer was set: that the message is unfinished is nobody's fault. */
  private wasPaused = false;
  private sink!: Sink;

  constructor(
    private readonly webSocket: WebSocket,
    private readonly stream: Duplex,
    private readonly settings: RealtimeSettings,
    private readonly limits: Limits,
  ) {
    this.scanner = new FrameScanner(settings);
    this.isCompressed = webSocket.extensions.includes('permessage-deflate');
  }

  get bufferedBytes(): number {
    return this.webSocket.bufferedAmount;
  }

  get protocol(): string {
    return this.webSocket.protocol;
  }

  attach(sink: Sink): void {
    this.sink = sink;
    this.stream.on('data', (chunk: Buffer) => this.heard(chunk));
    this.stream.on('drain', () => sink.drained());
    this.webSocket.on('message', (data: RawData, isBinary) => this.received(data as Buffer, isBinary));
    this.webSocket.on('ping', (data) => {
      if (this.mayControl()) this.webSocket.pong(data, false, ignore);
    });
    this.webSocket.on('pong', () => this.mayControl());
    this.webSocket.on('error', (error) => {
      const broken = brokenRule(error);
      if (!broken) return;
      if (broken.limit) this.limits.reached(broken.limit, `code=${broken.code}`);
      sink.failed(broken.code, reasonOf(broken.code, this.settings), broken.initiator);
    });
    this.webSocket.on('close', (code, reason) => {
      clearTimeout(this.messageTimer);
      sink.closed(code, reason.toString());
    });
  }

  /** Runs after ws has read the chunk. */
  private heard(chunk: Buffer): void {
    const { scanner } = this;
    scanner.scan(chunk);
    this.sink.alive();
    if (this.limits.isReportOnly) this.report();
    if (scanner.isUnfinished) this.timeMessage();
  }

  private received(data: Buffer, isBinary: boolean): void {
    const isTooBig = data.length > this.settings.maxMessageBytes;
    if (isTooBig) this.limits.reached('messageBytes', `bytes=${data.length}`);
    this.sink.received(data, isBinary);
  }

  /** @returns false when a control frame is one too many */
  private mayControl(): boolean {
    if (this.webSocket.readyState !== WebSocket.OPEN) return false;
    const { maxControlRate, maxBufferedBytes: max } = this.settings;
    this.controlRate ??= new TokenBucket(maxControlRate || Infinity);
    if (!this.controlRate.take()) this.enforce('controlRate', 4002, 'too many control frames');
    // Pongs are no messages, so no outbox counts them: who pings and never reads would grow without a bound
    else if (this.bufferedBytes > max + SLACK)
      this.enforce('bufferedBytes', 4001, `slow consumer: more than ${max} bytes wait`);
    return this.webSocket.readyState === WebSocket.OPEN;
  }

  /** What ws does not enforce, because it is only reported. */
  private report(): void {
    const { tooFragmented, tooSpread } = this.scanner;
    for (; this.tooFragmented < tooFragmented; this.tooFragmented++) this.limits.reached('fragments', 'code=1008');
    for (; this.tooSpread < tooSpread; this.tooSpread++) this.limits.reached('chunks', 'code=1008');
  }

  /** One timer, set again only when it finds another message under way than the one it was set for. */
  private timeMessage(): void {
    const { messageTimeout } = this.settings;
    if (messageTimeout === 0 || this.messageTimer) return;
    this.timedAfter = this.scanner.finished;
    this.wasPaused = this.webSocket.isPaused;
    this.messageTimer = setTimeout(() => this.messageDue(), messageTimeout * 1000);
    this.messageTimer.unref();
  }

  private messageDue(): void {
    this.messageTimer = undefined;
    if (!this.scanner.isUnfinished) return;
    const isSame = this.scanner.finished === this.timedAfter;
    if (isSame && !this.wasPaused) this.enforce('messageTime', 1008, 'message not finished in time');
    else this.timeMessage();
  }

  private enforce(limit: LimitName, code: number, reason: string): void {
    if (this.webSocket.readyState !== WebSocket.OPEN || !this.limits.reached(limit, `code=${code}`)) return;
    this.sink.failed(code, reason, 'limit');
    this.webSocket.close(code, reason);
  }

  send(frame: Frame): boolean {
    if (this.webSocket.readyState !== WebSocket.OPEN) return false;
    if (this.isCompressed) {
      const compress = frame.size >= this.settings.compressionThresholdBytes;
      this.webSocket.send(frame.data, { binary: frame.isBinary, compress }, () => this.sink.drained());
    } else {
      this.cork();
      this.stream.write(frame.encoded(encodeFrame));
    }
    return true;
  }

  ping(): void {
    this.webSocket.ping(undefined, false, ignore);
  }

  close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  terminate(): void {
    this.webSocket.terminate();
  }

  pause(): void {
    this.wasPaused = true;
    this.webSocket.pause();
  }

  resume(): void {
    this.webSocket.resume();
  }

  hold(): void {
    this.stream.cork();
  }

  release(): void {
    this.stream.uncork();
  }

  /** Everything that is written until the loop turns leaves in one write. */
  private cork(): void {
    if (this.isCorked) return;
    this.isCorked = true;
    this.stream.cork();
    setImmediate(uncork, this);
  }

  /** @internal */
  uncork(): void {
    this.isCorked = false;
    this.stream.uncork();
  }
}

function uncork(socket: WebSocketSocket): void {
  socket.uncork();
}

/** A ping that fails does so because the socket broke, and that is told by `close`. */
function ignore(): void {}
