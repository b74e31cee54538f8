/**
 * What crosses the broker in place of a token and of credentials. The digests of credentials are keyed with the token,
 * which both nodes have and the broker never sees: nobody there can find a password by guessing.
 */
import { createHash, createHmac } from 'node:crypto';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import { type Claim, MAX_DIGESTS } from '../relay.js';
import { credentialsOf, type Fingerprint } from './fingerprint.js';
import type { SessionOwner } from './sessions.js';

/** A token has 192 random bits, so its plain digest says nothing. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('base64url');

const keyed = (token: string, name: string, digest: string) =>
  createHmac('sha256', token).update(`${name}:${digest}`).digest('base64url');

/** Whose session it is: its user decides, and that there is none is a digest too. */
const identityDigest = (token: string, { userId }: Pick<Identity, 'userId'>) =>
  keyed(token, userId === undefined ? 'nobody' : 'identity', userId ?? '');

/**
 * @param identity of the handshake, where the claim is for a session
 * @returns what the owner of a connection has to know of a request for it
 */
export function claimOf(token: string, request: HandshakeRequest, identity?: Pick<Identity, 'userId'>): Claim {
  const own = identity ? [identityDigest(token, identity)] : [];
  const credentials = credentialsOf(request, MAX_DIGESTS - own.length);
  const ownerDigests = [...own, ...[...credentials].map(([name, digest]) => keyed(token, name, digest))];
  return { tokenDigest: tokenDigest(token), ownerDigests };
}

/** @returns whether a request comes from the owner of a token, whose fingerprint this is */
export function matchesClaim(fingerprint: Fingerprint, token: string, { ownerDigests }: Claim): boolean {
  return [...fingerprint].every(([name, digest]) => ownerDigests.includes(keyed(token, name, digest)));
}

/** @returns whether a handshake comes from the client of a session, as `Sessions` has it for one on this node */
export function matchesSession(owner: SessionOwner, token: string, claim: Claim): boolean {
  if (!claim.ownerDigests.includes(identityDigest(token, owner))) return false;
  return owner.userId !== undefined || matchesClaim(owner.credentials, token, claim);
}
