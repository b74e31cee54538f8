/**
 * Road OUT, step 10: the frames that wait for the end of the turn, as a chain that connections share. A push to a
 * thousand connections adds one link for all of them, and the frames that they have in common are joined to one buffer
 * once.
 */

/** Up to this many bytes frames are joined by copying; longer chains are handed to the kernel frame by frame. */
const JOIN_BYTES = 16_384;

/** Frames of at most this average length are always joined: copying one costs less than a vector entry. */
const SMALL_BYTES = 512;

export class FrameChain {
  /** The link that was added last: the next connection most likely adds the same frame. */
  private next?: FrameChain;
  private joined?: Buffer;

  private constructor(
    private readonly previous: FrameChain | undefined,
    private readonly bytes: Buffer,
    /** The bytes of all frames together. */
    readonly size: number,
    private readonly count: number,
  ) {}

  /** A chain without frames. */
  static start(): FrameChain {
    return new FrameChain(undefined, Buffer.alloc(0), 0, 0);
  }

  /** Returns this chain with one more frame. */
  with(bytes: Buffer): FrameChain {
    const { next } = this;
    if (next !== undefined && next.bytes === bytes) return next;
    return (this.next = new FrameChain(this, bytes, this.size + bytes.length, this.count + 1));
  }

  /** Returns all frames as one buffer, or undefined where joining them would cost more than it saves. */
  join(): Buffer | undefined {
    if (this.count === 1) return this.bytes;
    if (this.joined) return this.joined;
    if (this.size > JOIN_BYTES && this.size > this.count * SMALL_BYTES) return undefined;
    const joined = Buffer.allocUnsafe(this.size);
    let at = 0;
    for (const frame of this.frames()) {
      joined.set(frame, at);
      at += frame.length;
    }
    return (this.joined = joined);
  }

  /** Returns the frames in the order in which they were added. */
  frames(): Buffer[] {
    const frames = new Array<Buffer>(this.count);
    let at = this.count;
    frames[--at] = this.bytes;
    for (let link = this.previous; link && at > 0; link = link.previous) frames[--at] = link.bytes;
    return frames;
  }

  /** Forgets the last link, so that the start of all chains does not keep its frame in memory. */
  forget(): void {
    this.next = undefined;
  }
}
