/** Reads the credential of a request, wherever the client could put it: one reader for guards, hooks and controllers. */
import type { IncomingHttpHeaders } from 'node:http';
import { parseCookies } from './cookies.js';
import { splitTarget } from './platform-request.js';

/** Prefix of an offered subprotocol that carries a credential and names no protocol. */
export const BEARER = 'bearer.';

/** Where a credential may stand besides `Authorization` and the subprotocols. `RealtimeSettings` has both. */
export interface TokenSources {
  /** Name of the query parameter (`REALTIME_QUERY_TOKEN`). Default: none, because queries end up in access logs. */
  readonly queryToken?: string;
  /** Name of the cookie (`REALTIME_COOKIE_TOKEN`). Default: none. */
  readonly cookieToken?: string;
}

/** A request of Express, of Fastify or of Node, or a HandshakeRequest. */
export interface TokenRequest {
  readonly headers: IncomingHttpHeaders;
  /** The request target: path and query. */
  readonly url?: string;
  /** What a cookie parser found. Default: the cookies of the header. */
  readonly cookies?: unknown;
  /** @internal The sources that a HandshakeRequest knows. */
  readonly [SOURCES]?: TokenSources;
}

/** `Symbol.for`: the ESM and the CJS build may meet in one process. */
export const SOURCES = Symbol.for('nestjs-realtime:token-sources');

/**
 * Reads the bearer token of a request: in `Authorization: Bearer …`, else in an offered subprotocol
 * `bearer.<base64url>`, else in the query parameter, else in the cookie that the sources name. It does not verify it.
 *
 * @param request the platform's request in a guard or a controller, or the HandshakeRequest of a hook
 * @param sources the injected RealtimeSettings; default: the settings for a HandshakeRequest, else no query and no cookie
 * @returns the token; undefined when there is none
 * @example const token = bearerToken(context.switchToHttp().getRequest(), this.settings);
 */
export function bearerToken(request: TokenRequest, sources: TokenSources = request[SOURCES] ?? {}): string | undefined {
  const { headers, url = '' } = request;
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  if (bearer) return bearer[1];
  const hidden = protocolsOf(headers).find((name) => name.startsWith(BEARER));
  if (hidden !== undefined) return Buffer.from(hidden.slice(BEARER.length), 'base64url').toString();
  const { queryToken, cookieToken } = sources;
  const fromQuery = queryToken && new URLSearchParams(splitTarget(url).query).get(queryToken);
  return fromQuery || (cookieToken && cookieOf(request, cookieToken)) || undefined;
}

/** The subprotocols that a request offers, in its order (RFC 6455 §4.2.1). */
export function protocolsOf(headers: IncomingHttpHeaders): string[] {
  const header = headers['sec-websocket-protocol'];
  if (header === undefined) return [];
  return header
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

function cookieOf({ cookies, headers }: TokenRequest, name: string): string | undefined {
  const all = (cookies ?? parseCookies(headers.cookie)) as Readonly<Record<string, unknown>>;
  const value = Object.hasOwn(all, name) ? all[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
