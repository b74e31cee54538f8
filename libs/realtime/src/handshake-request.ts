/** The request that opens a connection, as hooks see it. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** What middleware may have put on the platform's request. */
interface PlatformRequest {
  readonly user?: unknown;
  readonly session?: unknown;
  readonly cookies?: Record<string, string>;
}

/** The handshake. It is not kept after `onOpen`: take what you need later into `connection.data`. */
export class HandshakeRequest {
  private parsedCookies?: Readonly<Record<string, string>>;
  private parsedQuery?: URLSearchParams;

  constructor(
    /** The platform's request: Node's own, Express's or Fastify's. */
    readonly raw: IncomingMessage & PlatformRequest,
    /** The gateway's path. */
    readonly path: string,
    /** Parameters of the path. */
    readonly params: Readonly<Record<string, string>> = {},
  ) {}

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  /** The request target as it was sent: path and query. */
  get url(): string {
    return this.raw.url ?? '';
  }

  /** The query. It is in access logs of every proxy: no place for a credential. */
  get query(): URLSearchParams {
    return (this.parsedQuery ??= new URLSearchParams(splitTarget(this.url).query));
  }

  /** The client's IP address; IPv4-mapped IPv6 as plain IPv4. */
  get address(): string {
    return addressOf(this.raw.socket);
  }

  /** The subprotocols that the client offers, in its order (RFC 6455 §4.2.1). */
  get protocols(): readonly string[] {
    const header = this.raw.headers['sec-websocket-protocol'] ?? '';
    return header
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
  }

  /** The cookies: what a cookie parser of the application found, else the header's, decoded. */
  get cookies(): Readonly<Record<string, string>> {
    return this.raw.cookies ?? (this.parsedCookies ??= parseCookies(this.raw.headers.cookie));
  }

  /** The user that middleware put on the request, if any. */
  get user(): unknown {
    return this.raw.user;
  }

  /** The session that middleware put on the request, if any. */
  get session(): unknown {
    return this.raw.session;
  }
}

/** Splits a request target at its first `?`, without building a URL: `Host` and path are the client's own text. */
export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** The peer's address of a socket; `unknown` when it has already gone. */
export function addressOf(socket: Socket): string {
  const address = socket.remoteAddress ?? 'unknown';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function parseCookies(header = ''): Readonly<Record<string, string>> {
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of header.split(';')) {
    const mark = pair.indexOf('=');
    const name = pair.slice(0, mark).trim();
    if (mark > 0 && !(name in cookies))
      cookies[name] = decoded(
        pair
          .slice(mark + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
  }
  return cookies;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
