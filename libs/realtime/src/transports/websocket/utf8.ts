/**
 * Road IN, step 1: checks text that arrives in parts. A byte that cannot stand where it stands is found in the part that
 * has it, and not at the end of the message; a character may be cut anywhere.
 */
import { isUtf8 } from 'node:buffer';

export class Utf8Check {
  /** Bytes of the current character that have not arrived. */
  private missing = 0;
  /** The range that the next of them must be in (RFC 3629 §4). */
  private low = 0x80;
  private high = 0xbf;

  /** True if the text may end here. */
  get isComplete(): boolean {
    return this.missing === 0;
  }

  /** @returns false if the text cannot be UTF-8, whatever follows */
  accepts(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length && this.missing > 0) if (!this.take(bytes[at++]!)) return false;
    const end = lastCharacter(bytes, at);
    if (end > at && !isUtf8(bytes.subarray(at, end))) return false;
    for (at = end; at < bytes.length; at++) if (!this.take(bytes[at]!)) return false;
    return true;
  }

  private take(byte: number): boolean {
    if (this.missing === 0) return byte < 0x80 || this.begin(byte);
    if (byte < this.low || byte > this.high) return false;
    this.missing--;
    this.low = 0x80;
    this.high = 0xbf;
    return true;
  }

  /** The first byte of a character decides how many follow; some rule out overlong forms, surrogates or more than U+10FFFF. */
  private begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.low = 0xa0;
    else if (byte === 0xed) this.high = 0x9f;
    else if (byte === 0xf0) this.low = 0x90;
    else if (byte === 0xf4) this.high = 0x8f;
    return true;
  }
}

/** Where the last character starts if it is not ASCII and might be cut; else the end of the bytes. */
function lastCharacter(bytes: Buffer, start: number): number {
  const first = Math.max(start, bytes.length - 3);
  for (let at = bytes.length - 1; at >= first; at--) {
    if (bytes[at]! >= 0xc0) return at;
    if (bytes[at]! < 0x80) return bytes.length;
  }
  return bytes.length;
}
