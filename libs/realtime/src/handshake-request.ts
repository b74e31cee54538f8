/** The request that opens a connection, as hooks see it. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import {
  addressOf,
  LazyRequest,
  type PlatformRequest,
  type RawRequest,
  splitTarget,
  targetOf,
} from './http/platform-request.js';

/** The subprotocol that is none, but a credential. */
export const BEARER = 'bearer.';

/** What a handshake is made of, beside Node's request. */
export interface HandshakeParts {
  /** The gateway's path. */
  readonly path: string;
  /** Default: none. */
  readonly params?: Params;
  /** Default: Node's own request, where the platform was not asked. */
  readonly raw?: LazyRequest;
  /** Name of the query parameter that holds a credential; default: none does. */
  readonly queryToken?: string;
  /** The client's, by the platform's rule, where it is known already. */
  readonly address?: string;
}

/** The handshake. It is not kept after `onOpen`: take what you need later into `connection.data`. */
export class HandshakeRequest {
  /** The gateway's path. */
  readonly path: string;
  /** Parameters of the path, decoded. */
  readonly params: Params;
  private readonly lazy: LazyRequest;
  private watchedCookies?: Readonly<Record<string, string>>;
  private parsedQuery?: URLSearchParams;
  private namesRead?: Set<string>;

  /** @internal Made by the gate. */
  constructor(
    /** @internal */
    readonly incoming: IncomingMessage,
    private readonly parts: HandshakeParts,
  ) {
    const { path, params = NO_PARAMS, raw = LazyRequest.of(incoming) } = parts;
    this.path = path;
    this.params = params;
    this.lazy = raw;
  }

  /** The platform's request: Express's, Fastify's, or Node's own where the platform was not asked. */
  get raw(): RawRequest {
    return this.lazy.get();
  }

  get headers(): IncomingHttpHeaders {
    return this.incoming.headers;
  }

  /** The request target as it was sent: path and query. */
  get url(): string {
    return targetOf(this.incoming);
  }

  /** The query. It is in access logs of every proxy: no place for a credential. */
  get query(): URLSearchParams {
    return (this.parsedQuery ??= new URLSearchParams(splitTarget(this.url).query));
  }

  /** The client's IP address by the platform's rule for proxies; IPv4-mapped IPv6 as plain IPv4. */
  get address(): string {
    return this.parts.address ?? addressOf(this.incoming.socket, this.raw.ip);
  }

  /** The subprotocols that the client offers, in its order (RFC 6455 §4.2.1). */
  get protocols(): readonly string[] {
    const header = this.incoming.headers['sec-websocket-protocol'] ?? '';
    return header
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
  }

  /**
   * The credential that the client sent, wherever it could: `Authorization: Bearer …`, a subprotocol
   * `bearer.<base64url>` (browsers can set no headers; it is never echoed), or the query parameter of
   * `REALTIME_QUERY_TOKEN` where that is set.
   */
  get token(): string | undefined {
    const bearer = /^Bearer +(\S+)$/i.exec(this.incoming.headers.authorization ?? '');
    if (bearer) return bearer[1];
    const hidden = this.protocols.find((name) => name.startsWith(BEARER));
    if (hidden !== undefined) return Buffer.from(hidden.slice(BEARER.length), 'base64url').toString();
    const { queryToken } = this.parts;
    return (queryToken && this.query.get(queryToken)) || undefined;
  }

  /** @internal Names of the cookies that hooks have asked for: one of them may be the credential. */
  get cookiesRead(): Set<string> {
    return (this.namesRead ??= new Set());
  }

  /** The cookies: what a cookie parser of the application found, else the header's, decoded. */
  get cookies(): Readonly<Record<string, string>> {
    if (this.watchedCookies) return this.watchedCookies;
    const found = this.fromMiddleware('cookies') as Record<string, string> | undefined;
    return (this.watchedCookies = watched(found ?? parseCookies(this.incoming.headers.cookie), this.cookiesRead));
  }

  /** The user that middleware or a guard put on the request, if any. */
  get user(): unknown {
    return this.fromMiddleware('user');
  }

  /** The session that middleware put on the request, if any. What `onOpen` writes to it is saved. */
  get session(): unknown {
    return this.fromMiddleware('session');
  }

  private fromMiddleware(name: 'user' | 'session' | 'cookies'): unknown {
    // Not made yet, it has nothing that Node's own has not
    return this.lazy.known?.[name] ?? (this.incoming as PlatformRequest)[name];
  }
}

/** The user of the request: `id`, else `sub`, as a string. */
export function userIdOf(user: unknown): string | undefined {
  if (typeof user !== 'object' || user === null) return undefined;
  const { id, sub } = user as { id?: unknown; sub?: unknown };
  const found = id ?? sub;
  return found === undefined || found === null ? undefined : String(found);
}

function parseCookies(header = ''): Readonly<Record<string, string>> {
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of header.split(';')) {
    const mark = pair.indexOf('=');
    const name = pair.slice(0, mark).trim();
    const value = pair.slice(mark + 1).trim();
    if (mark > 0 && !(name in cookies)) cookies[name] = decoded(value.replace(/^"(.*)"$/, '$1'));
  }
  return cookies;
}

/** Notes which are asked for. It holds nothing of the request but the cookies: a hook may keep them. */
function watched(cookies: Readonly<Record<string, string>>, read: Set<string>): Readonly<Record<string, string>> {
  return new Proxy(cookies, {
    get(all, name) {
      if (typeof name === 'string') read.add(name);
      return Reflect.get(all, name) as unknown;
    },
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The parameters of a path, decoded. */
export type Params = Readonly<Record<string, string>>;

/** Those of a path without any; a connection keeps its parameters, and most have none. */
export const NO_PARAMS: Params = Object.freeze({});
