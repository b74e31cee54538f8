/**
 * Road IN, step 1: reads the frames of one client (RFC 6455 §5) in the memory that its socket was read into. In one pass
 * it checks them, unmasks them, holds them to the limits and hands over messages, pings, pongs and the close frame.
 * A rule is enforced by the first byte that breaks it: a text that is not UTF-8 is not read to its end.
 */
import { isUtf8 } from 'node:buffer';
import type { Message } from '../../message.js';
import {
  type BrokenRule,
  INVALID_DATA,
  PROTOCOL_ERROR,
  TOO_BIG,
  TOO_MANY_CHUNKS,
  TOO_MANY_FRAGMENTS,
} from './broken-rule.js';
import { takeMessage } from './message-memory.js';
import { HEADROOM, MEMORY } from './read-buffer.js';
import { UnfinishedMessage } from './unfinished-message.js';
import { copyUnmasked, KEY_BYTES, keyAt } from './unmask.js';

/** The object that is called for everything that a client sends. */
export interface ReceiverOwner {
  /** True while nothing more may be handed over: the receiver stops between two frames. */
  readonly isPaused: boolean;
  received(message: Message): void;
  pinged(payload: Buffer): void;
  ponged(): void;
  /** Called for a close frame; the code is 1005 if it has none. Nothing follows. */
  closing(code: number, reason: string): void;
  /**
   * Called when the client breaks a rule or a limit.
   *
   * @returns true if nothing more is to be read; false if the limit is only reported
   */
  broke(rule: BrokenRule): boolean;
}

/** The limits of a receiver. */
export interface ReceiverBounds {
  /** The longest message, in bytes. */
  readonly maxMessageBytes: number;
  /** The most fragments of a message. */
  readonly maxFragments: number;
  /** The most reads over which the payload of a frame may be spread. */
  readonly maxBufferedChunks: number;
}

const FINAL = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH = 0x7f;
const FINAL_TEXT = 0x81;
const FINAL_BINARY = 0x82;

const CONTINUATION = 0x0;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/** The longest payload whose length is in the second byte, and of a control frame. */
const SHORT = 125;

export class Receiver {
  /** True after a close frame or a broken rule: what follows is not read. */
  isDone = false;
  /** Messages since the start that are complete. */
  finished = 0;
  private message: UnfinishedMessage | undefined = undefined;
  /** The beginning of a frame whose header, or whose whole if it is a control frame, has not arrived. */
  private held: Buffer | undefined = undefined;

  constructor(
    private readonly owner: ReceiverOwner,
    private readonly bounds: ReceiverBounds,
  ) {}

  /** True while a message or a frame has begun and not ended. */
  get isUnfinished(): boolean {
    return this.message !== undefined || this.held !== undefined;
  }

  /**
   * Reads the bytes of the memory from `HEADROOM` on.
   *
   * @param end where they end
   * @returns where the bytes start that were not read, because the owner is paused; otherwise `end`
   */
  read(end: number): number {
    let at = HEADROOM;
    if (this.message !== undefined && this.message.left > 0) at = this.proceed(this.message, at, end);
    else if (this.held !== undefined) at = this.putBack(this.held);
    while (at < end && !this.isDone && !this.owner.isPaused) at = this.frame(at, end);
    return this.isDone ? end : at;
  }

  /** Keeps the beginning of a frame until the next read. */
  private hold(at: number, end: number): number {
    this.held = Buffer.allocUnsafeSlow(end - at);
    MEMORY.copy(this.held, 0, at, end);
    return end;
  }

  private putBack(held: Buffer): number {
    this.held = undefined;
    held.copy(MEMORY, HEADROOM - held.length);
    return HEADROOM - held.length;
  }

  private frame(at: number, end: number): number {
    if (end - at < 2) return this.hold(at, end);
    const first = MEMORY[at]!;
    const second = MEMORY[at + 1]!;
    if (!this.isAllowed(first, second)) return this.fail(PROTOCOL_ERROR, end);
    if (first & CLOSE) return this.control(first & OPCODE, at, end);
    let header = 2;
    let length = second & LENGTH;
    if (length > SHORT) {
      header = length === 126 ? 4 : 10;
      if (end - at < header) return this.hold(at, end);
      length = longLength(at, header);
    }
    if (length > this.bounds.maxMessageBytes - (this.message?.declaredBytes ?? 0)) return this.fail(TOO_BIG, end);
    const start = at + header + KEY_BYTES;
    if (start > end) return this.hold(at, end);
    if (start + length <= end && this.message === undefined && first & FINAL)
      return this.whole(first === FINAL_BINARY, start, length);
    return this.begin(first, start, length, end);
  }

  /** Returns whether the first two bytes of a frame follow the protocol. */
  private isAllowed(first: number, second: number): boolean {
    const isInMessage = this.message !== undefined;
    if ((first === FINAL_TEXT || first === FINAL_BINARY) && !isInMessage) return second >= MASKED;
    if ((first & RESERVED) !== 0 || second < MASKED) return false;
    const opcode = first & OPCODE;
    if (opcode < CLOSE) return opcode === CONTINUATION ? isInMessage : opcode <= BINARY && !isInMessage;
    const length = second & LENGTH;
    return opcode <= PONG && (first & FINAL) !== 0 && length <= SHORT && (opcode !== CLOSE || length !== 1);
  }

  /** Hands over a message that is one frame and has arrived in one read. */
  private whole(isBinary: boolean, start: number, length: number): number {
    const message = takeMessage(isBinary, start, length);
    const end = start + length;
    if (message === undefined) return this.fail(INVALID_DATA, end);
    this.finished++;
    this.owner.received(message);
    return end;
  }

  private begin(first: number, start: number, length: number, end: number): number {
    const message = (this.message ??= new UnfinishedMessage((first & OPCODE) === BINARY));
    message.beginFrame(length, keyAt(start - KEY_BYTES), (first & FINAL) !== 0);
    return this.proceed(message, start, end);
  }

  /** Takes the payload of the current frame, as far as it has arrived. */
  private proceed(message: UnfinishedMessage, at: number, end: number): number {
    const { maxBufferedChunks, maxFragments } = this.bounds;
    if (message.chunks === maxBufferedChunks && this.breaks(TOO_MANY_CHUNKS)) return end;
    const stop = Math.min(at + message.left, end);
    if (!message.take(at, stop)) return this.fail(INVALID_DATA, end);
    if (message.left > 0) {
      if (stop > at) message.chunks++;
      return end;
    }
    if (++message.fragments === maxFragments + 1 && this.breaks(TOO_MANY_FRAGMENTS)) return end;
    if (message.isLast) this.finish(message);
    return stop;
  }

  private finish(message: UnfinishedMessage): void {
    this.message = undefined;
    if (!message.isComplete) {
      this.breaks(INVALID_DATA);
      return;
    }
    this.finished++;
    this.owner.received(message.whole());
  }

  private control(opcode: number, at: number, end: number): number {
    const start = at + 2 + KEY_BYTES;
    const stop = start + (MEMORY[at + 1]! & LENGTH);
    if (stop > end) return this.hold(at, end);
    if (opcode === PONG) this.owner.ponged();
    else {
      const payload = Buffer.allocUnsafe(stop - start);
      copyUnmasked(payload, start, keyAt(start - KEY_BYTES));
      if (opcode === PING) this.owner.pinged(payload);
      else this.close(payload);
    }
    return stop;
  }

  private close(payload: Buffer): void {
    const code = payload.length === 0 ? 1005 : payload.readUInt16BE(0);
    const reason = payload.subarray(2);
    if (payload.length > 0 && !mayBeSent(code)) this.breaks(PROTOCOL_ERROR);
    else if (!isUtf8(reason)) this.breaks(INVALID_DATA);
    else {
      this.done();
      this.owner.closing(code, reason.toString());
    }
  }

  private fail(rule: BrokenRule, end: number): number {
    this.breaks(rule);
    return end;
  }

  private breaks(rule: BrokenRule): boolean {
    if (this.owner.broke(rule)) this.done();
    return this.isDone;
  }

  private done(): void {
    this.isDone = true;
    this.message = this.held = undefined;
  }
}

/** The length in a header of 4 or 10 bytes without its key. */
function longLength(at: number, header: number): number {
  if (header === 4) return MEMORY.readUInt16BE(at + 2);
  return MEMORY.readUInt32BE(at + 2) * 2 ** 32 + MEMORY.readUInt32BE(at + 6);
}

/** Returns whether a close frame may have this code (RFC 6455 §7.4, and the codes that were registered since). */
function mayBeSent(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}
