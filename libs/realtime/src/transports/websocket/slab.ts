/**
 * Road OUT, step 10: the memory of frames for one connection only. The replies to one chunk are written side by side,
 * so they already are one buffer when they are sent.
 */
import { Memory } from './memory.js';

/** Small, because one client that does not read keeps a whole slab in memory; as large as two of Node's own pools. */
const SLAB_BYTES = 16_384;

/** From this many bytes on, a message gets memory of its own. */
export const LONG_BYTES = 4096;

/** Neighbouring frames of one connection in a slab. */
export class Run {
  constructor(
    readonly memory: Memory,
    private readonly start: number,
    public end: number,
  ) {}

  get size(): number {
    return this.end - this.start;
  }

  /** Returns the bytes of all its frames. */
  view(): Buffer {
    return this.memory.bytes.subarray(this.start, this.end);
  }
}

export class Slab {
  private memory = new Memory(SLAB_BYTES);
  private at = 0;

  /**
   * Makes room for a frame.
   *
   * @param length in bytes; at most the length of a slab
   * @param run the frames that the connection wrote before; it grows if no other connection has written since
   * @returns the run whose last bytes are the room for the frame
   */
  reserve(length: number, run: Run | undefined): Run {
    if (this.at + length > SLAB_BYTES) {
      this.memory = new Memory(SLAB_BYTES);
      this.at = 0;
    }
    const isNext = run !== undefined && run.memory === this.memory && run.end === this.at;
    const grown = isNext ? run : new Run(this.memory, this.at, this.at);
    this.at += length;
    grown.end = this.at;
    return grown;
  }

  /** Ends a run earlier. Nothing MUST have been reserved since its last bytes were. */
  shorten(run: Run, end: number): void {
    run.end = this.at = end;
  }
}
