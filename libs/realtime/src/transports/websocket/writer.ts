/**
 * Road OUT, step 10: the frames of one connection, all of one turn of the event loop in one write. Frames that others get
 * too are encoded once, for all; a reply is written into memory that it shares with the replies beside it.
 */
import type { Duplex } from 'node:stream';
import type { Frame } from '../../frame.js';
import type { FrameChain } from './chain.js';
import { encodeFrame, outgoingHeaderLength, writeFrame, writeHeader } from './encode.js';
import type { Flushable, Flusher } from './flusher.js';
import type { Run, Slab } from './slab.js';

/** Bytes that do not wait for the end of the turn: so much is worth a write of its own. */
export const FLUSH_BYTES = 32_768;

export abstract class FrameWriter implements Flushable {
  /** What waits for the end of the turn, and behind it the replies that are still being written. */
  private chain: FrameChain;
  private run: Run | undefined = undefined;
  /** The flusher knows that something waits. */
  private isListed = false;

  constructor(
    protected readonly stream: Duplex,
    private readonly flusher: Flusher,
    private readonly slab: Slab,
  ) {
    this.chain = flusher.start;
  }

  /** A chunk is being handled: what is sent meanwhile waits for its end. */
  protected abstract get isReading(): boolean;

  protected get waitingBytes(): number {
    return this.run === undefined ? this.chain.size : this.chain.size + this.run.size;
  }

  /** A frame that others get too. */
  protected enqueue(bytes: Buffer): void {
    this.endRun();
    this.chain = this.chain.with(bytes);
    this.schedule();
  }

  /** A frame for this client alone. */
  protected append(frame: Frame): void {
    const length = outgoingHeaderLength(frame.size) + frame.size;
    const run = this.reserve(length);
    writeFrame(frame, run.bytes, run.end - length);
    this.schedule();
  }

  /** Bytes are not copied, so they leave before the application can change them. */
  protected writeLong(frame: Frame): void {
    if (typeof frame.data === 'string') {
      this.enqueue(encodeFrame(frame));
      return;
    }
    const length = outgoingHeaderLength(frame.size);
    const run = this.reserve(length);
    writeHeader(frame, run.bytes, run.end - length);
    this.endRun();
    this.chain = this.chain.with(frame.data);
    this.writeOut();
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
    else if (!this.isReading) this.listWaiting();
  }

  /** The chunk is handled: what waits leaves at the end of the turn. */
  protected listWaiting(): void {
    if (this.isListed || this.waitingBytes === 0) return;
    this.isListed = true;
    this.flusher.add(this);
  }

  /** The chunk is handled: what waits leaves now, unless something from before waits for the end of the turn anyway. */
  protected writeUnlisted(): void {
    if (!this.isListed) this.writeOut();
  }

  flush(): void {
    this.isListed = false;
    this.writeOut();
  }

  /** Writes what waits, now: something that does not wait comes after it. */
  writeOut(): void {
    const { run, stream } = this;
    if (run !== undefined && this.chain.size === 0) {
      this.run = undefined;
      stream.write(run.view());
      return;
    }
    this.endRun();
    const { chain } = this;
    if (chain.size === 0) return;
    this.dropWaiting();
    const bytes = chain.join();
    if (bytes) stream.write(bytes);
    else writeAll(stream, chain.frames());
  }

  protected dropWaiting(): void {
    this.flusher.start.forget();
    this.chain = this.flusher.start;
    this.run = undefined;
  }
}

function writeAll(stream: Duplex, frames: readonly Buffer[]): void {
  stream.cork();
  for (const frame of frames) stream.write(frame);
  stream.uncork();
}
