/** Whom a connection that lives between requests belongs to: what each further request has to bring along again. */
import { createHash } from 'node:crypto';
import { type HandshakeRequest, userIdOf } from '../../handshake-request.js';

/** What the handshake was made with, as digests by name; empty where there was nothing but the request. */
export type Fingerprint = ReadonlyMap<string, string>;

/**
 * Whom a request belongs to by what the application says of it: the user, else the session, else the credentials:
 * `Authorization`, `request.token` and the cookies that `onHandshake` has read. Cookies that nobody asked for may
 * change as they like.
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

/** Tells whether a request comes from the owner. It may bring more than the handshake did: a login, for example. */
export function matches(owner: Fingerprint, request: HandshakeRequest): boolean {
  for (const [name, expected] of owner) {
    const value = valueOf(request, name);
    if (value === undefined || digest(value) !== expected) return false;
  }
  return true;
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
 * A session middleware makes a session for every visitor; one that the client does not have, because it is empty and so
 * no cookie is sent, is another one on the next request and says nothing.
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
