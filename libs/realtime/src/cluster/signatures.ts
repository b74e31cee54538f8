/**
 * Signs frames and verifies them (HMAC-SHA256). The trailer is one byte with the number of the key, then 32 bytes over
 * everything from the version to that number. The position before the frame is not signed: the engine writes it.
 */
import { createHash, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { OptionsError } from '../errors.js';
import { MIN_KEY_BYTES } from '../settings/cluster-options.js';
import type { DropReason } from './format.js';

/** The length of the trailer in bytes. */
export const TRAILER = 33;

interface Key {
  /** The first byte of the key's SHA-256: the same on all nodes, whatever the order of their keys. */
  readonly number: number;
  readonly secret: KeyObject;
}

/** The keys of a cluster: the first signs, both verify. */
export class Signatures {
  private readonly keys: readonly Key[];

  /**
   * @param keys one, or two while they are exchanged, each of at least 32 bytes of UTF-8
   * @throws OptionsError for any other number or length; the message does not contain a key
   */
  constructor(keys: readonly string[]) {
    if (keys.length < 1 || keys.length > 2) {
      throw new OptionsError(
        `A cluster has one key, or two while they are exchanged (REALTIME_CLUSTER_KEYS), got ${keys.length}`,
      );
    }
    this.keys = keys.map((text, index) => {
      const bytes = Buffer.from(text);
      if (bytes.length >= MIN_KEY_BYTES) return { number: numberOf(bytes), secret: createSecretKey(bytes) };
      throw new OptionsError(
        `Key ${index + 1} of REALTIME_CLUSTER_KEYS must have at least ${MIN_KEY_BYTES} bytes, got ${bytes.length}: ` +
          'make one with "openssl rand -base64 32"',
      );
    });
  }

  /** Writes the trailer into the last 33 bytes of a frame. */
  sign(frame: Buffer): void {
    const key = this.keys[0]!;
    const at = frame.length - TRAILER;
    frame[at] = key.number;
    frame.set(digest(key, frame.subarray(0, at + 1)), at + 1);
  }

  /** @param frame without the position; it is longer than the trailer @returns why it is dropped; undefined: it is ours */
  problem(frame: Buffer): DropReason | undefined {
    const at = frame.length - TRAILER;
    const keys = this.keys.filter(({ number }) => number === frame[at]);
    if (keys.length === 0) return 'unknown_key';
    const signed = frame.subarray(0, at + 1);
    const trailer = frame.subarray(at + 1);
    return keys.some((key) => timingSafeEqual(digest(key, signed), trailer)) ? undefined : 'bad_signature';
  }
}

function digest({ secret }: Key, bytes: Buffer): Buffer {
  return createHmac('sha256', secret).update(bytes).digest();
}

/** @returns the number that stands for a key in a frame; two keys may share it, then both are tried */
function numberOf(key: Buffer): number {
  return createHash('sha256').update(key).digest()[0]!;
}
