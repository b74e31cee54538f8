/**
 * Road OUT, step 10: one WebSocket. Frames are written to the network socket directly, all of one turn of the event loop
 * in one write. Pongs, close frames and compressed messages are ws's, which writes to the same socket: what waits for the
 * end of the turn goes before them.
 */
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import type { LimitName, Limits } from '../limits.js';
import type { Frame } from '../payload.js';
import type { RealtimeSettings } from '../settings.js';
import { TokenBucket } from '../token-bucket.js';
import type { Sink, Socket } from './transport.js';
import { brokenRule, reasonOf } from './websocket-errors.js';
import type { FrameChain } from './websocket-chain.js';
import { encodeFrame, PING } from './websocket-frame.js';
import type { Flushable, Flusher } from './websocket-flusher.js';
import type { OrderedWebSocket } from './websocket-ordered.js';
import { FrameScanner } from './websocket-scanner.js';

/** What may be in the socket beside what the outbox counts: the frame that filled it, and its headers. */
const SLACK = 131_072;

/** Bytes that do not wait for the end of the turn: so much is worth a write of its own. */
const FLUSH_BYTES = 32_768;

/** From here on `Sink.drained` is owed (transport.ts). */
const FULL_BYTES = 65_536;

export class WebSocketSocket implements Socket, Flushable {
  /** What waits for the end of the turn. */
  private chain: FrameChain;
  /** The flusher knows that something waits. */
  private isListed = false;
  private isFull = false;
  private readonly isCompressed: boolean;
  /** Messages handed to ws that may not be written yet: it compresses in the background, and later ones queue up. */
  private inWs = 0;
  /** Messages of the chunk that is being read; inflated ones come later and are not among them. */
  private received = 0;
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
    private readonly webSocket: OrderedWebSocket,
    private readonly stream: Duplex,
    private readonly settings: RealtimeSettings,
    private readonly limits: Limits,
    private readonly flusher: Flusher,
  ) {
    this.chain = flusher.start;
    this.scanner = new FrameScanner(settings);
    this.isCompressed = webSocket.extensions.includes('permessage-deflate');
  }

  get bufferedBytes(): number {
    const bytes = this.chain.size + this.webSocket.bufferedAmount;
    if (bytes >= FULL_BYTES) this.isFull = true;
    return bytes;
  }

  get protocol(): string {
    return this.webSocket.protocol;
  }

  attach(sink: Sink): void {
    this.sink = sink;
    this.webSocket.waiting = this;
    this.stream.prependListener('end', () => this.writeOut());
    this.stream.on('data', (chunk: Buffer) => this.heard(chunk));
    this.stream.on('drain', () => sink.drained());
    this.webSocket.on('message', (data: RawData, isBinary) => this.receive(data as Buffer, isBinary));
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
    if (this.received > 0) this.answered();
    else this.sink.alive();
    if (this.limits.isReportOnly) this.report();
    if (scanner.isUnfinished) this.timeMessage();
  }

  /** The chunk is handled. An answer to a single message leaves at once; answers to several join what else the turn sends. */
  private answered(): void {
    const isSingle = this.received === 1;
    this.received = 0;
    if (this.chain.size === 0 || this.isListed) return;
    if (isSingle) this.writeOut();
    else this.list();
  }

  private receive(data: Buffer, isBinary: boolean): void {
    const isTooBig = data.length > this.settings.maxMessageBytes;
    if (isTooBig) this.limits.reached('messageBytes', `bytes=${data.length}`);
    if (!this.isCompressed) this.received++;
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
    if (this.isCompressed && (this.inWs > 0 || frame.size >= this.settings.compressionThresholdBytes)) {
      this.sendByWs(frame);
    } else this.enqueue(frame.encoded(encodeFrame));
    return true;
  }

  /** ws keeps the order among what it is given; it is given everything until all of it is written. */
  private sendByWs(frame: Frame): void {
    this.writeOut();
    this.inWs++;
    const compress = frame.size >= this.settings.compressionThresholdBytes;
    this.webSocket.send(frame.data, { binary: frame.isBinary, compress }, () => {
      this.inWs--;
      this.sink.drained();
    });
  }

  private enqueue(bytes: Buffer): void {
    this.chain = this.chain.with(bytes);
    if (this.chain.size >= FLUSH_BYTES) this.writeOut();
    else if (!this.isListed && this.received === 0) this.list();
  }

  private list(): void {
    this.isListed = true;
    this.flusher.add(this);
  }

  flush(): void {
    this.isListed = false;
    this.writeOut();
  }

  /** Writes what waits, now: something that does not wait comes after it. */
  writeOut(): void {
    const { chain, stream } = this;
    if (chain.size === 0) return;
    this.chain = this.flusher.start;
    const drained = this.isFull ? () => this.sink.drained() : undefined;
    this.isFull = false;
    this.flusher.start.forget();
    const bytes = chain.join();
    if (bytes) return void stream.write(bytes, drained);
    stream.cork();
    for (const frame of chain.frames()) stream.write(frame, drained);
    stream.uncork();
  }

  ping(): void {
    if (this.inWs > 0) this.webSocket.ping(undefined, false, ignore);
    else if (this.webSocket.readyState === WebSocket.OPEN) this.enqueue(PING);
  }

  close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  terminate(): void {
    this.chain = this.flusher.start;
    this.webSocket.terminate();
  }

  pause(): void {
    this.wasPaused = true;
    this.webSocket.pause();
  }

  resume(): void {
    this.webSocket.resume();
  }
}

/** A ping that fails does so because the socket broke, and that is told by `close`. */
function ignore(): void {}
