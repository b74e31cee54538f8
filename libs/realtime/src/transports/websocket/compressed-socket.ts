/**
 * Road IN, step 1, and road OUT, step 10: a WebSocket with compression. ws reads it, closes it, and writes pongs, close
 * frames and compressed messages to the same network socket as writer.ts; the frames that wait for the end of the turn
 * are written before them.
 */
import type { Duplex } from 'node:stream';
import type { Frame } from '../../frame.js';
import { Message } from '../../message.js';
import type { Sink } from '../../transport.js';
import { brokenRule } from './broken-rule.js';
import { READ, readIntoCommon } from './read-buffer.js';
import { FrameScanner } from './scanner.js';
import { OPEN, type SharedByWebSockets, WebSocketSocket } from './socket.js';
import type { UpgradedWebSocket, WebSocketOwner } from './upgraded.js';

const OWNER = Symbol('owner');

/** The network socket of a WebSocket. */
interface OwnedStream extends Duplex {
  [OWNER]: CompressedSocket;
}

export class CompressedSocket extends WebSocketSocket implements WebSocketOwner {
  /** Messages that ws may not have written yet: it compresses in the background, and later messages queue behind. */
  private inWs = 0;
  readonly scanner: FrameScanner;
  /** The scanner's counts when they were last reported. */
  private tooFragmented = 0;
  private tooSpread = 0;

  constructor(
    stream: Duplex,
    shared: SharedByWebSockets,
    private readonly webSocket: UpgradedWebSocket,
  ) {
    super(stream, shared);
    this.scanner = new FrameScanner(shared.settings);
  }

  get protocol(): string {
    return this.webSocket.protocol;
  }

  get readyState(): number {
    return this.webSocket.readyState;
  }

  get isPaused(): boolean {
    return this.webSocket.isPaused;
  }

  get bufferedBytes(): number {
    return this.waitingBytes + this.webSocket.bufferedAmount;
  }

  attach(sink: Sink): void {
    this.sink = sink;
    this.webSocket.owner = this;
    const owned = this.stream as OwnedStream;
    owned[OWNER] = this;
    owned.end = endInOrder;
    owned.on('data', heard);
    readIntoCommon(owned, taken);
  }

  // --- in ---

  received(data: Buffer, isBinary: boolean): void {
    this.sink.alive();
    this.countLong(data.length);
    this.sink.received(new Message(data, isBinary));
  }

  /** @internal ws has read a chunk. */
  heard(chunk: Buffer): void {
    this.sink.alive();
    this.scanner.scan(chunk);
    if (this.shared.limits.isReportOnly) this.reportCounts();
    this.watchOver(this.scanner);
  }

  /** Counts what ws does not enforce while limits are only reported. */
  private reportCounts(): void {
    const { limits } = this.shared;
    const { tooFragmented, tooSpread } = this.scanner;
    for (; this.tooFragmented < tooFragmented; this.tooFragmented++) limits.reached('fragments', 'code=1008');
    for (; this.tooSpread < tooSpread; this.tooSpread++) limits.reached('chunks', 'code=1008');
  }

  failed(error: Error): void {
    const broken = brokenRule(error);
    if (broken) this.reportBroken(broken);
  }

  closed(code: number, reason: Buffer): void {
    this.stopWatch();
    this.sink.closed(code, reason.toString());
  }

  override pause(): void {
    super.pause();
    this.webSocket.pause();
  }

  resume(): void {
    this.webSocket.resume();
  }

  // --- out ---

  override send(frame: Frame): boolean {
    const isLong = frame.size >= this.shared.settings.compressionThresholdBytes;
    if (this.readyState !== OPEN || (this.inWs === 0 && !isLong)) return super.send(frame);
    this.sendByWs(frame, isLong);
    return true;
  }

  /** ws keeps the order of its own messages only: until it has written all of them, it gets every message. */
  private sendByWs(frame: Frame, compress: boolean): void {
    this.writeOut();
    frame.keep();
    this.sentAt = performance.now();
    this.inWs++;
    this.webSocket.send(frame.data, { binary: frame.isBinary, compress }, () => {
      this.inWs--;
      this.sink.drained();
    });
  }

  override ping(): void {
    if (this.inWs === 0) return super.ping();
    this.unanswered++;
    this.webSocket.ping(undefined, false, ignore);
  }

  protected pong(payload: Buffer): void {
    this.webSocket.pong(payload, false, ignore);
  }

  close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  terminate(): void {
    this.dropWaiting();
    this.webSocket.terminate();
  }
}

/** A ping fails only when the socket broke, and `close` reports that. */
function ignore(): void {}

function heard(this: OwnedStream, chunk: Buffer): void {
  this[OWNER].heard(chunk);
}

/**
 * A chunk that ws keeps for long gets memory of its own: a client that sends a message byte by byte would otherwise hold
 * a whole pool with each of them.
 */
function taken(this: OwnedStream, length: number): boolean {
  const chunk = this[OWNER].scanner.isUnfinished ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length);
  READ.copy(chunk, 0, 0, length);
  return this.push(chunk);
}

/**
 * ws ends the socket as soon as the client has ended its half; frames that wait are written before that. It also ends a
 * socket that it has ended already, for which Node would make an error that nobody sees.
 */
function endInOrder(this: OwnedStream, ...args: unknown[]): OwnedStream {
  if (this.writableEnded) return this;
  this[OWNER].writeOut();
  const { end } = Object.getPrototypeOf(this) as Duplex;
  return Reflect.apply(end, this, args) as OwnedStream;
}
