/**
 * Road OUT, step 10: writes the frames of one connection, all frames of one turn of the event loop in one write. A
 * frame for several connections is encoded once for all of them; a reply is written into memory shared with the replies
 * beside it.
 */
import type { Duplex } from 'node:stream';
import type { Frame } from '../../frame.js';
import { owned } from '../../owned.js';
import type { FrameChain } from './chain.js';
import { encodeFrame, outgoingHeaderLength, writeHeader, writeShort } from './encode.js';
import type { Flushable, Flusher } from './flusher.js';
import type { Run, Slab } from './slab.js';
import { writeAtOnce } from './write-buffer.js';

/** From this many bytes on, frames do not wait for the end of the turn: they are worth a write of their own. */
export const FLUSH_BYTES = 32_768;

/** From this many bytes on, a text for one client does not wait for the end of the turn either: its copy would cost more. */
const AT_ONCE_BYTES = 8192;

export class FrameWriter implements Flushable {
  sentAt = 0;
  /** The frames that wait for the end of the turn, and behind them the run of replies that may still grow. */
  private chain: FrameChain;
  private run: Run | undefined = undefined;
  /** True while the flusher knows that frames wait here. */
  private isListed = false;
  /** Messages of the chunk under way that were handed on; inflated messages arrive later and are not counted. */
  private handedOn = 0;

  constructor(
    protected readonly stream: Duplex,
    private readonly flusher: Flusher,
    private readonly slab: Slab,
  ) {
    this.chain = flusher.start;
  }

  /** True from the first `beginChunk()` of a chunk until `endChunk()`. */
  protected get isInChunk(): boolean {
    return this.handedOn > 0;
  }

  /** A message of the chunk under way is handed on: frames sent from now on wait for the end of the chunk. */
  protected beginChunk(): void {
    this.handedOn++;
  }

  /**
   * The chunk is handled. The answer to a single message is written now, unless earlier frames wait for the end of the
   * turn anyway; the answers to several messages join the other frames of the turn.
   */
  protected endChunk(): void {
    const isSingle = this.handedOn === 1;
    this.handedOn = 0;
    if (!isSingle) this.listWaiting();
    else if (!this.isListed) this.writeOut();
  }

  protected get waitingBytes(): number {
    return this.run === undefined ? this.chain.size : this.chain.size + this.run.size;
  }

  /** Takes a frame that other connections get too. */
  protected enqueue(bytes: Buffer): void {
    this.endRun();
    this.chain = this.chain.with(bytes);
    this.schedule();
  }

  /** Takes a frame for this client alone. */
  protected append(frame: Frame): void {
    const most = outgoingHeaderLength(frame.atMost) + frame.atMost;
    const run = this.reserve(most);
    this.slab.shorten(run, writeShort(frame, run.memory, run.end - most));
    this.schedule();
  }

  /**
   * Takes a long frame for this client alone. Bytes are not copied, so they are written before the caller can change
   * them.
   */
  protected writeLong(frame: Frame): void {
    if (typeof frame.data === 'string') {
      this.writeLongText(frame);
      return;
    }
    const length = outgoingHeaderLength(frame.size);
    const run = this.reserve(length);
    writeHeader(frame, run.memory.bytes, run.end - length);
    this.endRun();
    this.chain = this.chain.with(frame.data);
    this.writeOut();
  }

  /** A text of some size is worth a write of its own; shorter ones of the same turn leave together. */
  private writeLongText(frame: Frame): void {
    if (frame.size < AT_ONCE_BYTES) {
      this.enqueue(encodeFrame(frame));
      return;
    }
    this.writeOut();
    this.sentAt = performance.now();
    writeAtOnce(this.stream, frame);
  }

  private reserve(length: number): Run {
    const run = this.slab.reserve(length, this.run);
    if (run !== this.run) this.endRun();
    return (this.run = run);
  }

  private endRun(): void {
    if (this.run !== undefined) this.chain = this.chain.with(this.run.view());
    this.run = undefined;
  }

  private schedule(): void {
    if (this.waitingBytes >= FLUSH_BYTES) this.writeOut();
    else if (this.handedOn === 0) this.listWaiting();
  }

  /** Has the flusher write the waiting frames at the end of the turn. */
  private listWaiting(): void {
    if (this.isListed || this.waitingBytes === 0) return;
    this.isListed = true;
    this.flusher.add(this);
  }

  flush(now: number): void {
    this.isListed = false;
    try {
      this.writeOut(now);
    } catch (error) {
      // The flusher has other sockets to write to
      this.stream.destroy(error as Error);
    }
  }

  /** Writes the waiting frames now: the caller is about to write bytes that must come after them. */
  writeOut(now = performance.now()): void {
    const { run, stream } = this;
    if (run !== undefined && this.chain.size === 0) {
      this.sentAt = now;
      this.run = undefined;
      stream.write(lasting(stream, run.view()));
      return;
    }
    this.endRun();
    const { chain } = this;
    if (chain.size === 0) return;
    this.sentAt = now;
    this.dropWaiting();
    const bytes = chain.join();
    if (bytes) stream.write(lasting(stream, bytes));
    else writeAll(stream, chain.frames());
  }

  /** Forgets the waiting frames. */
  protected dropWaiting(): void {
    this.flusher.start.forget();
    this.chain = this.flusher.start;
    this.run = undefined;
  }
}

function writeAll(stream: Duplex, frames: readonly Buffer[]): void {
  stream.cork();
  for (const frame of frames) stream.write(lasting(stream, frame));
  stream.uncork();
}

/** Bytes that have to wait in the stream must not keep the slab, the pool or the network read that they lie in. */
function lasting(stream: Duplex, bytes: Buffer): Buffer {
  return stream.writableLength > 0 ? owned(bytes) : bytes;
}
