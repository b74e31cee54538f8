/** A request as the HTTP platform and its middleware have left it, and functions that read it safely. */
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';

/**
 * What the platform and its middleware have added to a request. Express's request is Node's own with more properties,
 * Fastify's is an object of its own, and middleware may have written to either.
 */
export interface PlatformRequest {
  /** The client's address by the platform's rule for proxies (`trust proxy`, `trustProxy`). */
  readonly ip?: string;
  /** The addresses by the same rule, if any proxy is trusted. */
  readonly ips?: readonly string[];
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

/** The platform's request as it reaches the gateway's door. */
export type RawRequest = PlatformRequest & object;

/** The platform's request, created on first use: on some ways in, creating it costs more than everything else. */
export class LazyRequest {
  constructor(
    private readonly make: () => RawRequest,
    private made?: RawRequest,
  ) {}

  /** Wraps a request that exists already. */
  static of(request: RawRequest): LazyRequest {
    return new LazyRequest(() => request, request);
  }

  get(): RawRequest {
    return (this.made ??= this.make());
  }

  /** The request, or undefined as long as it has not been created. */
  get known(): RawRequest | undefined {
    return this.made;
  }

  /** Returns the same request, to which the change is applied as soon as it is created. */
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

/** Returns the target as the client sent it; middleware may have rewritten `url` (Express keeps `originalUrl`). */
export function targetOf(request: IncomingMessage & { originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? '';
}

/** Splits a request target as routers do, without building a URL: that throws on what a client may send. */
export function splitTarget(target: string): { path: string; query: string } {
  const hash = target.indexOf('#');
  const sent = hash < 0 ? target : target.slice(0, hash);
  const mark = sent.indexOf('?');
  return mark < 0 ? { path: sent, query: '' } : { path: sent.slice(0, mark), query: sent.slice(mark + 1) };
}

/** The address of every client of a unix socket. */
export const UNIX = 'unix';

/**
 * Returns the client's address, `unix` for a client of a unix socket, or `unknown` if the client has already gone.
 *
 * @param claimed the address that the platform takes from a proxy that it trusts; ignored if it is not an IP address,
 *   because a platform that trusts every proxy passes on whatever a client wrote
 */
export function addressOf(socket: Socket, claimed = ''): string {
  const address = normalAddress(claimed);
  if (isIP(address)) return address;
  // As long as it is open, any other socket knows its own end, even if its peer has gone
  const isUnix = socket.destroyed === false && socket.remoteAddress === undefined && socket.localAddress === undefined;
  return isUnix ? UNIX : normalAddress(socket.remoteAddress);
}

/** Turns an IPv4-mapped IPv6 address into plain IPv4. */
function normalAddress(address = 'unknown'): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}
