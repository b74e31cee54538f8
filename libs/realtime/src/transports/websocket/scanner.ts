/**
 * Road IN, step 1: follows the frames of a client that ws reads (RFC 6455 §5.2) by their headers alone. It knows whether
 * a message is unfinished, and how many fragments and chunks it has; ws reports none of this.
 */
const FINAL = 0x80;
const OPCODE = 0x0f;
const MASKED = 0x80;
const LENGTH = 0x7f;
const FIRST_CONTROL_OPCODE = 0x8;

/**
 * The limits above which a scanner counts a message or a frame; ws itself closes there, unless limits are only
 * reported.
 */
export interface ScannerBounds {
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
}

export class FrameScanner {
  /** Messages since the start that are complete. */
  finished = 0;
  /** Messages since the start that had more fragments than the limit. */
  tooFragmented = 0;
  /** Frames since the start that arrived in more chunks than the limit. */
  tooSpread = 0;
  /** Fragments of the current message. */
  private fragments = 0;
  /** Chunks that the current frame is spread over. */
  private chunks = 0;
  private rest?: Buffer;
  private skip = 0;
  private isLast = true;

  constructor(private readonly bounds: ScannerBounds) {}

  /** True while a message has begun and its last byte has not arrived. */
  get isUnfinished(): boolean {
    return this.skip > 0 || this.rest !== undefined || this.fragments > 0;
  }

  scan(chunk: Buffer): void {
    const bytes = this.rest ? Buffer.concat([this.rest, chunk]) : chunk;
    this.rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      if (this.skip > 0) {
        const step = Math.min(this.skip, bytes.length - at);
        this.skip -= step;
        at += step;
        if (this.skip === 0) this.endFrame();
        else this.countChunk();
        continue;
      }
      const header = headerLength(bytes, at);
      if (header === 0 || bytes.length - at < header) {
        this.rest = Buffer.from(bytes.subarray(at));
        return;
      }
      this.beginFrame(bytes, at);
      at += header;
    }
  }

  private beginFrame(bytes: Buffer, at: number): void {
    const first = bytes[at]!;
    this.skip = payloadLength(bytes, at);
    this.chunks = 0;
    if ((first & OPCODE) < FIRST_CONTROL_OPCODE) {
      this.isLast = (first & FINAL) !== 0;
      if (++this.fragments === this.bounds.maxFragments + 1) this.tooFragmented++;
    }
    if (this.skip === 0) this.endFrame();
  }

  private countChunk(): void {
    if (++this.chunks === this.bounds.maxBufferedChunks + 1) this.tooSpread++;
  }

  private endFrame(): void {
    if (!this.isLast || this.fragments === 0) return;
    this.fragments = 0;
    this.finished++;
  }
}

/**
 * The length of a frame's header.
 *
 * @returns 0 when the second byte has not arrived yet
 */
function headerLength(bytes: Buffer, at: number): number {
  if (bytes.length - at < 2) return 0;
  const second = bytes[at + 1]!;
  const length = second & LENGTH;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  return 2 + extended + (second & MASKED ? 4 : 0);
}

/** The length of a frame's payload. The whole header MUST have arrived. */
function payloadLength(bytes: Buffer, at: number): number {
  const length = bytes[at + 1]! & LENGTH;
  if (length === 126) return bytes.readUInt16BE(at + 2);
  return length === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : length;
}
