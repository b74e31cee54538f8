/**
 * Road IN, step 1: unmasks the bytes of a read (RFC 6455 §5.3) in place, four at a time, and sets the key in the
 * frame's header to 0, so that ws has nothing left to unmask: ws unmasks byte by byte, unless `bufferutil` is
 * installed.
 */
import { READ } from './read-buffer.js';
import { headerLength, payloadLength } from './scanner.js';

const WORDS = new Int32Array(READ.buffer);
const MASKED = 0x80;

/** The key of a frame, as bytes and as the word that they are in memory. */
const KEY = new Uint8Array(4);
const KEY_WORD = new Int32Array(KEY.buffer);
const TURNED = new Uint8Array(4);
const TURNED_WORD = new Int32Array(TURNED.buffer);

/** Follows the frames of one client, read after read. Frames that it cannot follow stay masked, and ws unmasks them. */
export class Unmasker {
  /** Payload bytes of the current frame that have not arrived. */
  private left = 0;
  /** The key for the next of those bytes, in the byte order of memory. */
  private key = 0;

  /** @param isLost true when it is not known where the next frame starts */
  constructor(public isLost: boolean) {}

  /** The next read starts with a frame. */
  found(): void {
    this.isLost = false;
    this.left = 0;
  }

  /**
   * Unmasks the bytes of a read.
   *
   * @param length how many bytes were read into the common buffer
   */
  undo(length: number): void {
    if (this.isLost) return;
    let at = this.payload(0, length);
    while (at < length) {
      const header = headerLength(READ, at, length);
      if (header === 0 || at + header > length) {
        this.isLost = true;
        return;
      }
      this.left = payloadLength(READ, at);
      this.key = (READ[at + 1]! & MASKED) === 0 ? 0 : takeKey(at + header - 4);
      at = this.payload(at + header, length);
    }
  }

  /** @returns where the payload ends, or where the read ends */
  private payload(start: number, length: number): number {
    const end = Math.min(start + this.left, length);
    this.left -= end - start;
    if (this.key !== 0) this.key = xor(start, end, this.key);
    return end;
  }
}

/** Takes the key out of a frame's header. */
function takeKey(at: number): number {
  for (let i = 0; i < 4; i++) {
    KEY[i] = READ[at + i]!;
    READ[at + i] = 0;
  }
  return KEY_WORD[0]!;
}

/** @returns the key for the byte after `end` */
function xor(start: number, end: number, key: number): number {
  KEY_WORD[0] = key;
  let at = start;
  for (; at < end && (at & 3) !== 0; at++) READ[at]! ^= KEY[(at - start) & 3]!;
  const word = turned(at - start);
  const last = end >> 2;
  for (let i = at >> 2; i < last; i++) WORDS[i]! ^= word;
  for (at = Math.max(at, last << 2); at < end; at++) READ[at]! ^= KEY[(at - start) & 3]!;
  return turned(end - start);
}

/** The key as it applies to the payload that starts `by` bytes later. */
function turned(by: number): number {
  for (let i = 0; i < 4; i++) TURNED[i] = KEY[(by + i) & 3]!;
  return TURNED_WORD[0]!;
}
