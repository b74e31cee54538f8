/**
 * Road IN, step 1: a message that has begun in one read or frame and ends in a later one. It grows with the bytes that
 * arrive, not with the length that a header declares.
 */
import { Message } from '../../message.js';
import { MEMORY } from './read-buffer.js';
import { turned, unmask } from './unmask.js';
import { Utf8Check } from './utf8.js';

/** The least memory of an unfinished message, in bytes. */
const FIRST_BYTES = 1024;

export class UnfinishedMessage {
  /** Payload bytes of the current frame that have not arrived. */
  left = 0;
  /** True if the current frame is the last of the message. */
  isLast = false;
  /** Frames that are complete. */
  fragments = 0;
  /** Reads that the payload of the current frame is spread over. */
  chunks = 0;
  private key = 0;
  private bytes = EMPTY;
  private length = 0;
  private readonly check: Utf8Check | undefined;

  constructor(readonly isBinary: boolean) {
    this.check = isBinary ? undefined : new Utf8Check();
  }

  /** The length of the message, with all of the current frame. */
  get declaredBytes(): number {
    return this.length + this.left;
  }

  /** True if a text ends with a whole character. */
  get isComplete(): boolean {
    return this.check === undefined || this.check.isComplete;
  }

  beginFrame(length: number, key: number, isLast: boolean): void {
    this.left = length;
    this.key = key;
    this.isLast = isLast;
    this.chunks = 0;
  }

  /**
   * Takes payload of the current frame out of the memory of reads.
   *
   * @returns false if the message is a text and the bytes are not UTF-8
   */
  take(start: number, end: number): boolean {
    const from = this.length;
    const isAscii = unmask(start, end, this.key);
    this.key = turned(this.key, end - start);
    this.reserve(end - start);
    MEMORY.copy(this.bytes, from, start, end);
    this.left -= end - start;
    this.length += end - start;
    if (this.check === undefined || (isAscii && this.check.isComplete)) return true;
    return this.check.accepts(this.bytes.subarray(from, this.length));
  }

  /** Makes room; the memory at least doubles, so that few bytes are copied twice. */
  private reserve(more: number): void {
    const least = this.length + more;
    if (least <= this.bytes.length) return;
    const wanted = Math.max(least, 2 * this.bytes.length, FIRST_BYTES);
    const bytes = Buffer.allocUnsafeSlow(Math.min(wanted, this.declaredBytes));
    this.bytes.copy(bytes, 0, 0, this.length);
    this.bytes = bytes;
  }

  /** Returns the message when it is complete. */
  whole(): Message {
    return new Message(this.bytes, this.isBinary, 0, this.length);
  }
}

const EMPTY = Buffer.alloc(0);
