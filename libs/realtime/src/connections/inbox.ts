import type { Message } from '../message.js';

/** Marks the place of a run of `onDrain` in the queue. */
export const DRAIN_TURN = Symbol('drained');

/** One item that waits for a hook. */
export type Waiting = Message | typeof DRAIN_TURN;

/** The messages of one connection that wait for its hooks, in the order in which they were received. */
export class Inbox {
  private waiting: Waiting[] = [];
  private first = 0;
  /**
   * Bytes of memory that the messages keep. A network read counts once and as a whole, from its first message that
   * waits until a message of the next read is taken.
   */
  private size = 0;
  /** The reads of the messages that were taken and added last. */
  private firstRead?: ArrayBufferLike;
  private lastRead?: ArrayBufferLike;

  constructor(
    private readonly maxMessages: number,
    private readonly maxBytes: number,
  ) {}

  /** True at a limit or above it: the socket should not be read. */
  get isFull(): boolean {
    return this.length >= this.maxMessages || this.size >= this.maxBytes;
  }

  /** True at half of both limits or below: the socket may be read again. */
  get isLow(): boolean {
    return this.length <= this.maxMessages / 2 && this.size <= this.maxBytes / 2;
  }

  get length(): number {
    return this.waiting.length - this.first;
  }

  push(item: Waiting): void {
    this.waiting.push(item);
    if (item === DRAIN_TURN) return;
    // Not `bytes()`, which makes a Buffer for a message that may need none
    const { buffer } = item.data;
    if (buffer !== this.lastRead) this.size += buffer.byteLength;
    this.lastRead = buffer;
  }

  shift(): Waiting | undefined {
    const item = this.waiting[this.first];
    if (!item) return undefined;
    this.first++;
    if (item !== DRAIN_TURN) this.release(item.data.buffer);
    if (this.first === this.waiting.length) this.clear();
    else if (this.first >= 1024) {
      this.waiting = this.waiting.slice(this.first);
      this.first = 0;
    }
    return item;
  }

  private release(read: ArrayBufferLike): void {
    if (read === this.firstRead) return;
    this.size -= this.firstRead?.byteLength ?? 0;
    this.firstRead = read;
  }

  clear(): void {
    this.waiting = [];
    this.first = 0;
    this.size = 0;
    this.firstRead = this.lastRead = undefined;
  }
}
