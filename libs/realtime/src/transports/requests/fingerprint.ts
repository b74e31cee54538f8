/**
 * The fingerprint of the credentials that a polling or SSE connection was opened with; every later request must match
 * it.
 */
import { createHash } from 'node:crypto';
import { type HandshakeRequest, userIdOf } from '../../handshake-request.js';

/** Digests of the credentials of a handshake, by name; empty where the handshake had none. */
export type Fingerprint = ReadonlyMap<string, string>;

/**
 * Takes the fingerprint of a handshake: of the user, else of the session, else of the credentials, which are
 * `Authorization`, `request.token` and the cookies that `onHandshake` has read. Other cookies may change between
 * requests.
 *
 * @param request after `onHandshake`
 */
export function fingerprintOf(request: HandshakeRequest): Fingerprint {
  const cookies = [...request.cookiesRead].map((name) => COOKIE + name);
  for (const names of [['user'], ['session'], ['authorization', 'token', ...cookies]]) {
    const found = names.flatMap((name) => {
      const value = valueOf(request, name);
      return value === undefined ? [] : [[name, digest(value)] as const];
    });
    if (found.length > 0) return new Map(found);
  }
  return new Map();
}

/** Returns whether a request matches. It may carry more than the handshake did, for example a login. */
export function matches(fingerprint: Fingerprint, request: HandshakeRequest): boolean {
  for (const [name, expected] of fingerprint) {
    const value = valueOf(request, name);
    if (value === undefined || digest(value) !== expected) return false;
  }
  return true;
}

/**
 * Returns digests of everything in a request that may be part of a fingerprint: the user, the session, the credentials
 * and all cookies, those that were read first.
 *
 * @param max how many at most; the last cookies are left out
 */
export function credentialsOf(request: HandshakeRequest, max: number): Fingerprint {
  const cookies = new Set([...request.cookiesRead, ...Object.keys(request.cookies)]);
  const names = ['user', 'session', 'authorization', 'token', ...[...cookies].map((name) => COOKIE + name)];
  const found = new Map<string, string>();
  for (const name of names) {
    const value = valueOf(request, name);
    if (value !== undefined && found.size < max) found.set(name, digest(value));
  }
  return found;
}

const COOKIE = 'cookie:';

function valueOf(request: HandshakeRequest, name: string): string | undefined {
  if (name === 'user') return userIdOf(request.user);
  if (name === 'session') return sessionOf(request);
  if (name === 'authorization') return request.headers.authorization;
  if (name === 'token') return request.token;
  const value: unknown = request.cookies[name.slice(COOKIE.length)];
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * The id of the session, if the client has the session. Session middleware makes a session for every visitor, but sends
 * no cookie for an empty one: the next request then gets another session, so that its id proves nothing.
 */
function sessionOf({ session, headers }: HandshakeRequest): string | undefined {
  const { id, sessionId = id } = (session ?? {}) as { id?: unknown; sessionId?: unknown };
  if (typeof sessionId !== 'string') return undefined;
  const isSent = headers.cookie?.includes(encodeURIComponent(sessionId));
  return isSent || Object.keys(session as object).some((key) => key !== 'cookie') ? sessionId : undefined;
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
