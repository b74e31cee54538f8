/**
 * Road IN, step 1: a WebSocket without compression. Its bytes go from the network socket to receiver.ts without a
 * stream between them, and its closing handshake (RFC 6455 §7) is done here. All sockets share the listeners, so that a
 * connection costs no closures.
 */
import type { Duplex } from 'node:stream';
import { detached } from '../../async-context.js';
import type { Message } from '../../message.js';
import type { Sink } from '../../transport.js';
import type { BrokenRule } from './broken-rule.js';
import { encodeClose, encodePong } from './encode.js';
import { HEADROOM, MEMORY, READ, READ_BYTES, readIntoCommon } from './read-buffer.js';
import { Receiver, type ReceiverOwner } from './receiver.js';
import { CLOSED, CLOSING, OPEN, type SharedByWebSockets, WebSocketSocket } from './socket.js';

const OWNER = Symbol('owner');

/** The network socket of a WebSocket. */
interface OwnedStream extends Duplex {
  [OWNER]: PlainSocket;
}

/** True while a receiver reads the common memory: other bytes must not be copied into it. */
let isMemoryInUse = false;

export class PlainSocket extends WebSocketSocket implements ReceiverOwner {
  readyState = OPEN;
  isPaused = false;
  private readonly receiver: Receiver;
  /** Bytes that were read from the network and not yet by the receiver, because of a pause. */
  private rest: Buffer | undefined = undefined;
  /** What the client's close frame says; 1006 without one. */
  private closeCode = 1006;
  private closeReason = '';
  private closeTimer: NodeJS.Timeout | undefined = undefined;

  constructor(
    stream: Duplex,
    shared: SharedByWebSockets,
    readonly protocol: string,
  ) {
    super(stream, shared);
    this.receiver = new Receiver(this, shared.bounds);
  }

  get bufferedBytes(): number {
    return this.waitingBytes + this.stream.writableLength;
  }

  attach(sink: Sink): void {
    this.sink = sink;
    const owned = this.stream as OwnedStream;
    owned[OWNER] = this;
    owned.on('data', fed).on('end', ended).on('close', closed);
    readIntoCommon(owned, taken);
  }

  // --- in ---

  /** Takes a read that is in the common memory. @returns false to stop reading */
  take(length: number): boolean {
    // A TLS socket may have more after it was paused
    if (this.mustWait) this.keep(READ.subarray(0, length));
    else this.read(length);
    return !this.isPaused;
  }

  /** Takes bytes that are elsewhere: those that arrived with the handshake, or all where `readIntoCommon` cannot be used. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      if (this.mustWait) return this.keep(bytes.subarray(at));
      this.read(bytes.copy(READ, 0, at, at + READ_BYTES));
    }
  }

  private get mustWait(): boolean {
    return this.isPaused || this.rest !== undefined || isMemoryInUse;
  }

  private read(length: number): void {
    const end = HEADROOM + length;
    const at = this.readMemory(end);
    if (at < end) this.keep(MEMORY.subarray(at, end));
    if (this.isInChunk) this.endChunk();
    else this.sink.alive();
    this.watchOver(this.receiver);
  }

  /** Whatever a message causes, the memory is free again for all other connections. */
  private readMemory(end: number): number {
    isMemoryInUse = true;
    try {
      return this.receiver.read(end);
    } finally {
      isMemoryInUse = false;
    }
  }

  /** Keeps bytes until the connection may be read again. */
  private keep(bytes: Buffer): void {
    if (this.receiver.isDone) return;
    this.rest = Buffer.concat(this.rest ? [this.rest, bytes] : [bytes]);
    if (!this.isPaused) this.readOn();
  }

  /** Reads what was kept, outside the hook that resumed the connection, and then the network again. */
  private readOn(): void {
    detached(() => process.nextTick(readRest, this));
  }

  /** @internal */
  readRest(): void {
    const { rest } = this;
    if (this.isPaused) return;
    this.rest = undefined;
    if (rest) this.feed(rest);
    if (!this.isPaused && this.readyState !== CLOSED) this.stream.resume();
  }

  received(message: Message): void {
    if (!this.isInChunk) this.sink.alive();
    this.countLong(message.size);
    this.beginChunk();
    this.sink.received(message);
  }

  override pause(): void {
    if (this.receiver.isDone || this.readyState === CLOSED) return;
    super.pause();
    this.isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.rest) this.readOn();
    else this.stream.resume();
  }

  protected pong(payload: Buffer): void {
    this.writeOut();
    this.stream.write(encodePong(payload));
  }

  // --- the end ---

  close(code: number, reason: string): void {
    if (this.readyState !== OPEN) return;
    this.writeOut();
    this.readyState = CLOSING;
    this.stream.write(encodeClose(code, reason));
    this.closeTimer = setTimeout(destroy, this.shared.settings.closeTimeout * 1000, this.stream);
  }

  closing(code: number, reason: string): void {
    this.closeCode = code;
    this.closeReason = reason;
    this.finish(code, reason);
  }

  broke(rule: BrokenRule): boolean {
    // A limit of 1008 is only counted while limits are reported; ws, too, cannot be without the one of 1009
    if (rule.code === 1008 && this.shared.limits.isReportOnly) {
      this.shared.limits.reached(rule.limit!, `code=${rule.code}`);
      return false;
    }
    this.finish(rule.code, this.reportBroken(rule));
    return true;
  }

  /** Nothing more is read or sent. The rest of the stream is thrown away, so that its end is seen. */
  private finish(code: number, reason: string): void {
    if (this.readyState === CLOSED) return;
    this.close(code, reason);
    if (!this.stream.writableEnded) this.stream.end();
    this.rest = undefined;
    this.isPaused = false;
    this.stream.resume();
  }

  terminate(): void {
    this.dropWaiting();
    if (this.readyState === OPEN) this.readyState = CLOSING;
    this.stream.destroy();
  }

  /** @internal The client has ended its half. */
  streamEnded(): void {
    if (this.readyState === OPEN) this.readyState = CLOSING;
    this.writeOut();
    if (!this.stream.writableEnded) this.stream.end();
  }

  /** @internal The messages that arrived before the end are handed over before it is. */
  streamClosed(): void {
    clearTimeout(this.closeTimer);
    this.readyState = CLOSED;
    this.isPaused = false;
    this.readRest();
    this.stopWatch();
    this.sink.closed(this.closeCode, this.closeReason);
  }
}

function readRest(socket: PlainSocket): void {
  socket.readRest();
}

function destroy(stream: Duplex): void {
  stream.destroy();
}

function taken(this: OwnedStream, length: number): boolean {
  // Bytes that the stream still has were before these
  return this.readableLength > 0 ? this.push(Buffer.from(READ.subarray(0, length))) : this[OWNER].take(length);
}

function fed(this: OwnedStream, bytes: Buffer): void {
  this[OWNER].feed(bytes);
}

function ended(this: OwnedStream): void {
  this[OWNER].streamEnded();
}

function closed(this: OwnedStream): void {
  this[OWNER].streamClosed();
}
