/** The request that opens a connection, as hooks see it. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { bearerToken, protocolsOf, SOURCES, type TokenSources } from './http/bearer-token.js';
import { parseCookies } from './http/cookies.js';
import { type Hello, helloOf, isOfApplication } from './http/hello.js';
import {
  addressOf,
  LazyRequest,
  type PlatformRequest,
  type RawRequest,
  splitTarget,
  targetOf,
} from './http/platform-request.js';

/** The parts of a handshake besides Node's request. */
export interface HandshakeParts {
  /** The gateway's path. */
  readonly path: string;
  /** Default: none. */
  readonly params?: Params;
  /** The platform's request. Default: Node's own. */
  readonly raw?: LazyRequest;
  /** Where a credential may stand besides `Authorization` and the subprotocols. Default: nowhere. */
  readonly tokenSources?: TokenSources;
  /** The transport that the client asked for. Default: `websocket`. */
  readonly transport?: string;
  /** The client's IP address by the platform's rule, if it is known already. */
  readonly address?: string;
}

/** The request that opens a connection. It is not kept after `onOpen`: copy what you need to `connection.data`. */
export class HandshakeRequest {
  /** The gateway's path, for example `/rooms/:id`. */
  readonly path: string;
  /** The parameters of the path, decoded, for example `{ id: '7' }`. */
  readonly params: Params;
  /** The transport that the client asked for: `websocket`, `sse` or `polling`. */
  readonly transport: string;
  private readonly lazy: LazyRequest;
  private watchedCookies?: Readonly<Record<string, string>>;
  private parsedQuery?: URLSearchParams;
  private namesRead?: Set<string>;
  private greeting?: { readonly hello: Hello | undefined };

  /** @internal Created by the gate. */
  constructor(
    /** @internal */
    readonly incoming: IncomingMessage,
    private readonly parts: HandshakeParts,
  ) {
    const { path, params = NO_PARAMS, raw = LazyRequest.of(incoming), transport = 'websocket' } = parts;
    this.path = path;
    this.transport = transport;
    this.params = params;
    this.lazy = raw;
  }

  /** The platform's request: Express's or Fastify's, or Node's own if the handshake did not pass the platform. */
  get raw(): RawRequest {
    return this.lazy.get();
  }

  /** The request headers; their names are in lower case. */
  get headers(): IncomingHttpHeaders {
    return this.incoming.headers;
  }

  /** The request target as the client sent it: path and query. */
  get url(): string {
    return targetOf(this.incoming);
  }

  /** The query. Proxies write it to their access logs, so it is not a place for a credential. */
  get query(): URLSearchParams {
    return (this.parsedQuery ??= new URLSearchParams(splitTarget(this.url).query));
  }

  /** The client's IP address by the platform's rule for proxies; `::ffff:192.0.2.7` is returned as `192.0.2.7`. */
  get address(): string {
    return this.parts.address ?? addressOf(this.incoming.socket, this.raw.ip);
  }

  /**
   * The subprotocols that the client offers, in its order (RFC 6455 §4.2.1), without those of this module: credentials
   * (`bearer.…`), `realtime.v1` and `hello.…`.
   */
  get protocols(): readonly string[] {
    return protocolsOf(this.incoming.headers).filter(isOfApplication);
  }

  /**
   * What a client library says of itself: the session that it wants to resume, and where it stands in the history of
   * its rooms. It may be invented. Undefined for a bare client.
   *
   * @throws HandshakeError 400 for one that is not valid; the handshake refuses such a request before any hook sees it
   */
  get hello(): Hello | undefined {
    this.greeting ??= { hello: helloOf(this.incoming.headers, this.transport) };
    return this.greeting.hello;
  }

  /**
   * The credential that the client sent: in `Authorization: Bearer …`, else in a subprotocol `bearer.<base64url>` (for
   * browsers, which cannot set headers; it is never echoed), else in the query parameter that `REALTIME_QUERY_TOKEN`
   * names, else in the cookie that `REALTIME_COOKIE_TOKEN` names. Undefined when there is none.
   */
  get token(): string | undefined {
    return bearerToken(this);
  }

  /** @internal */
  get [SOURCES](): TokenSources | undefined {
    return this.parts.tokenSources;
  }

  /** @internal Names of the cookies that hooks have read: one of them may be the credential. */
  get cookiesRead(): Set<string> {
    return (this.namesRead ??= new Set());
  }

  /** The cookies, decoded: those of the application's cookie parser if it has one, otherwise those of the header. */
  get cookies(): Readonly<Record<string, string>> {
    if (this.watchedCookies) return this.watchedCookies;
    const found = this.platform.cookies ?? (this.incoming as PlatformRequest).cookies;
    return (this.watchedCookies = watched(found ?? parseCookies(this.incoming.headers.cookie), this.cookiesRead));
  }

  /** The user that middleware or a guard put on the request, if any. */
  get user(): unknown {
    return this.platform.user ?? (this.incoming as PlatformRequest).user;
  }

  /** The session that middleware put on the request, if any. Changes that `onOpen` makes to it are saved. */
  get session(): unknown {
    return this.platform.session ?? (this.incoming as PlatformRequest).session;
  }

  /** The platform's request: one that does not exist yet has no more properties than Node's own. */
  private get platform(): PlatformRequest {
    return this.lazy.known ?? (this.incoming as PlatformRequest);
  }
}

/** @returns the user's `id`, else `sub`, as a string; undefined for a user without either */
export function userIdOf(user: unknown): string | undefined {
  if (typeof user !== 'object' || user === null) return undefined;
  const { id, sub } = user as { id?: unknown; sub?: unknown };
  const found = id ?? sub;
  return found === undefined || found === null ? undefined : String(found);
}

/** Records which cookies are read. It holds only the cookies, not the request, because a hook may keep them. */
function watched(cookies: Readonly<Record<string, string>>, read: Set<string>): Readonly<Record<string, string>> {
  return new Proxy(cookies, {
    get(all, name) {
      if (typeof name === 'string') read.add(name);
      return Reflect.get(all, name) as unknown;
    },
  });
}

/** The parameters of a path, decoded. */
export type Params = Readonly<Record<string, string>>;

/** The parameters of a path without any: one object for all, because every connection keeps its parameters. */
export const NO_PARAMS: Params = Object.freeze({});
