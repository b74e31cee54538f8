/** Memory of its own for bytes that wait or are kept: limits count bytes, but a small slice keeps its whole buffer alive. */

/** Memory that a slice may keep alive beside itself, in bytes, whatever its own length. */
const SLACK = 1024;

/**
 * Returns bytes that keep little more in memory than they are long. A received message is a slice of its network read
 * (up to 64 KiB), and a short `Buffer` a slice of Node's pool (8 KiB).
 *
 * @param bytes what has to wait, or is kept
 * @returns the same bytes, or a copy where their `ArrayBuffer` is more than twice as long, and more than 1 KiB longer
 * @example queue.push(owned(message.bytes()));
 */
export function owned(bytes: Buffer): Buffer {
  const beside = bytes.buffer.byteLength - bytes.length;
  if (beside <= SLACK || beside <= bytes.length) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
