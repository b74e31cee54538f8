/** Counts per client address: open connections, the rate of new ones, and failed handshakes. */
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { addressOf, UNIX } from '../http/platform-request.js';
import { RateWindow } from '../limits/rate-window.js';

interface Entry {
  open: number;
  opening?: RateWindow;
  failures: number;
  failuresSince: number;
}

/** The time over which failed handshakes are counted, in milliseconds. */
const FAILURE_WINDOW_MS = 60_000;

/** How many addresses without an open connection are remembered. */
const MAX_IDLE_ENTRIES = 10_000;

export class Addresses {
  /** Addresses with open connections: at most as many as there are connections. */
  private readonly busy = new Map<string, Entry>();
  /** Addresses without an open connection, the most recently active one last. */
  private readonly idle = new Map<string, Entry>();

  /** @param ratePerAddress new connections per second of one address */
  constructor(private readonly ratePerAddress: number) {}

  /** How many addresses are remembered. */
  get size(): number {
    return this.busy.size + this.idle.size;
  }

  openOf(address: string): number {
    return this.busy.get(networkOf(address))?.open ?? 0;
  }

  /** @returns false when the address opens connections too fast */
  mayOpen(address: string): boolean {
    const entry = this.touch(networkOf(address));
    entry.opening ??= new RateWindow(this.ratePerAddress);
    return entry.opening.take();
  }

  failuresOf(address: string): number {
    const network = networkOf(address);
    const entry = this.busy.get(network) ?? this.idle.get(network);
    return entry && performance.now() - entry.failuresSince < FAILURE_WINDOW_MS ? entry.failures : 0;
  }

  opened(address: string): void {
    const network = networkOf(address);
    const entry = this.touch(network);
    entry.open++;
    this.idle.delete(network);
    this.busy.set(network, entry);
  }

  closed(address: string): void {
    const network = networkOf(address);
    const entry = this.busy.get(network);
    if (!entry || --entry.open > 0) return;
    this.busy.delete(network);
    this.keep(network, entry);
  }

  failed(address: string): void {
    const entry = this.touch(networkOf(address));
    const now = performance.now();
    if (now - entry.failuresSince >= FAILURE_WINDOW_MS) {
      entry.failures = 0;
      entry.failuresSince = now;
    }
    entry.failures++;
  }

  private touch(network: string): Entry {
    const busy = this.busy.get(network);
    if (busy) return busy;
    const entry = this.idle.get(network) ?? { open: 0, failures: 0, failuresSince: -FAILURE_WINDOW_MS };
    this.keep(network, entry);
    return entry;
  }

  /** Forgets the address that has been inactive for longest, at a cost that does not depend on how many there are. */
  private keep(network: string, entry: Entry): void {
    this.idle.delete(network);
    this.idle.set(network, entry);
    if (this.idle.size <= MAX_IDLE_ENTRIES) return;
    for (const oldest of this.idle.keys()) {
      this.idle.delete(oldest);
      return;
    }
  }
}

/** An IPv6 address counts as its /64 network, because a provider gives each customer a whole one. */
function networkOf(address: string): string {
  if (!address.includes(':') || !isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}

/** Returns whether the application trusts the peer of a request as a proxy. */
export type TrustsPeer = (request: IncomingMessage) => boolean;

/**
 * Returns whether a request comes through a proxy that the application does not trust. Its address is then the proxy's,
 * and the limits of one client must not apply to all clients of the proxy together. Only a private or loopback peer
 * counts as a proxy, so that nobody outside can evade the limits by sending the header.
 *
 * @param address the client's, by the platform's rule; if it differs from the peer's, the proxy is trusted
 * @param trustsPeer asked where it does not: a client may be on the machine of a proxy that is trusted
 */
export function isUnknownProxy(request: IncomingMessage, address: string, trustsPeer: TrustsPeer): boolean {
  const { headers, socket } = request;
  const isForwarded = 'x-forwarded-for' in headers || 'forwarded' in headers;
  if (!isForwarded || address !== addressOf(socket)) return false;
  return (address === UNIX || PRIVATE.test(address)) && !trustsPeer(request);
}

/** RFC 1918, RFC 4193, loopback and link-local. */
const PRIVATE = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cd]|fe80:)/i;
