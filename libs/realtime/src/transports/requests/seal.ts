/** The encryption of relayed responses: a stream contains the token of its client, which is not for the broker. */
import { createCipheriv, createHmac } from 'node:crypto';

/**
 * Returns what encrypts the parts of one relayed response, and decrypts them on the other node. AES-256 in counter mode;
 * each response has a key of its own.
 *
 * @param salt never used for another response of this token
 */
export function sealOf(token: string, salt: string): (bytes: Buffer) => Buffer {
  const key = createHmac('sha256', token).update(`relay:${salt}`).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (bytes) => cipher.update(bytes);
}
