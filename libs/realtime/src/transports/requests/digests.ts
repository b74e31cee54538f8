/**
 * What crosses the broker in place of a token and of credentials. The digests of credentials are keyed with the token,
 * which both nodes have and the broker never sees: nobody there can find a password by guessing.
 */
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import type { HandshakeRequest } from '../../handshake-request.js';
import { type Claim, MAX_DIGESTS } from '../../relay.js';
import { credentialsOf, type Fingerprint } from './fingerprint.js';

/** A token has 192 random bits, so its plain digest says nothing. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('base64url');

const keyed = (token: string, name: string, digest: string) =>
  createHmac('sha256', token).update(`${name}:${digest}`).digest('base64url');

/** @returns what the owner of a connection has to know of a request for it */
export function claimOf(token: string, request: HandshakeRequest): Claim {
  const ownerDigests = [...credentialsOf(request, MAX_DIGESTS)].map(([name, digest]) => keyed(token, name, digest));
  return { tokenDigest: tokenDigest(token), ownerDigests };
}

/** @returns whether a request comes from the owner of a token, whose fingerprint this is */
export function matchesClaim(fingerprint: Fingerprint, token: string, { ownerDigests }: Claim): boolean {
  return [...fingerprint].every(([name, digest]) => ownerDigests.includes(keyed(token, name, digest)));
}

/**
 * Returns what encrypts the parts of one relayed response, and decrypts them on the other node: a stream contains the
 * token of its client. AES-256 in counter mode; each response has a key of its own.
 *
 * @param salt never used for another response of this token
 */
export function sealOf(token: string, salt: string): (bytes: Buffer) => Buffer {
  const key = createHmac('sha256', token).update(`relay:${salt}`).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  return (bytes) => cipher.update(bytes);
}
