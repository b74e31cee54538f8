/** A request as the HTTP platform and its middleware have left it, and what can be read off it safely. */
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';

/**
 * What the platform and its middleware have made of a request. Express's request is Node's own with more on it,
 * Fastify's stands beside it, and middleware may have written to either.
 */
export interface PlatformRequest {
  /** The client's address by the platform's rule for proxies (`trust proxy`, `trustProxy`). */
  readonly ip?: string;
  /** `http` or `https`, by the same rule. */
  readonly protocol?: string;
  /** Host and port, by the same rule. */
  readonly host?: string;
  readonly user?: unknown;
  readonly session?: unknown;
  readonly cookies?: Record<string, string>;
  /** Parameters of the path, as on a controller's route: guards read them there. */
  params?: Readonly<Record<string, string>>;
}

/** As it reaches the gateway's door. */
export type RawRequest = PlatformRequest & object;

/** The platform's request, made when it is first asked for: on some ways in, making it costs more than the rest. */
export class LazyRequest {
  constructor(
    private readonly make: () => RawRequest,
    private made?: RawRequest,
  ) {}

  /** One that is made already. */
  static of(request: RawRequest): LazyRequest {
    return new LazyRequest(() => request, request);
  }

  get(): RawRequest {
    return (this.made ??= this.make());
  }

  /** The request, unless nobody has asked for it yet. */
  get known(): RawRequest | undefined {
    return this.made;
  }

  /** The same request, changed as soon as it is made. */
  prepared(change: (request: RawRequest) => void): LazyRequest {
    if (!this.made) {
      return new LazyRequest(() => {
        const request = this.get();
        change(request);
        return request;
      });
    }
    change(this.made);
    return this;
  }
}

/** The target as the client sent it; middleware may have rewritten `url` (Express keeps `originalUrl`). */
export function targetOf(request: IncomingMessage & { originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? '';
}

/** Splits a request target as routers do, without building a URL: `Host` and path are the client's own text. */
export function splitTarget(target: string): { path: string; query: string } {
  const hash = target.indexOf('#');
  const sent = hash < 0 ? target : target.slice(0, hash);
  const mark = sent.indexOf('?');
  return mark < 0 ? { path: sent, query: '' } : { path: sent.slice(0, mark), query: sent.slice(mark + 1) };
}

/**
 * The client's address; `unknown` when it has already gone.
 *
 * @param claimed what the platform takes from a proxy that it trusts; what is no address does not count, because a
 *   platform that trusts everybody passes on whatever a client wrote
 */
export function addressOf(socket: Socket, claimed = ''): string {
  const address = normalAddress(claimed);
  return isIP(address) ? address : normalAddress(socket.remoteAddress);
}

/** IPv4-mapped IPv6 as plain IPv4. */
function normalAddress(address = 'unknown'): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}
