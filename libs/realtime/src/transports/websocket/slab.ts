/**
 * Road OUT, step 10: the memory of frames that go to one connection only. The replies to one chunk are written one behind
 * the other, so they are one buffer already when they leave.
 */

/** Small, because a client that does not read keeps all of it; as large as two of Node's own pools. */
const SLAB_BYTES = 16_384;

/** From here on a message has memory of its own. */
export const LONG_BYTES = 4096;

/** Neighbouring frames of one connection. */
export class Run {
  constructor(
    readonly bytes: Buffer,
    private readonly start: number,
    public end: number,
  ) {}

  get size(): number {
    return this.end - this.start;
  }

  /** The bytes of all its frames. */
  view(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }
}

export class Slab {
  private bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private at = 0;

  /**
   * Makes room for a frame.
   *
   * @param length in bytes, at most a slab's
   * @param run what the connection wrote before: it grows when nobody else has written since
   * @returns the run whose last bytes are the room
   */
  reserve(length: number, run: Run | undefined): Run {
    if (this.at + length > SLAB_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.at = 0;
    }
    const isNext = run !== undefined && run.bytes === this.bytes && run.end === this.at;
    const grown = isNext ? run : new Run(this.bytes, this.at, this.at);
    this.at += length;
    grown.end = this.at;
    return grown;
  }
}
