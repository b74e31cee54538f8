/** What each client address does: open connections, how fast it opens them, how often its handshakes fail. */
import { isIPv6 } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { TokenBucket } from './token-bucket.js';

interface Entry {
  open: number;
  readonly opening: TokenBucket;
  failures: number;
  failuresSince: number;
}

/** Over which failed handshakes are counted, in milliseconds. */
const FAILURE_WINDOW_MS = 60_000;

/** Addresses that are remembered though they have no open connection. */
const MAX_IDLE_ENTRIES = 10_000;

export class Addresses {
  private readonly entries = new Map<string, Entry>();

  /** @param ratePerAddress new connections per second of one address */
  constructor(private readonly ratePerAddress: number) {}

  openOf(address: string): number {
    return this.entries.get(networkOf(address))?.open ?? 0;
  }

  /** @returns false when the address opens connections too fast */
  mayOpen(address: string): boolean {
    return this.entry(address).opening.take();
  }

  failuresOf(address: string): number {
    const entry = this.entries.get(networkOf(address));
    return entry && performance.now() - entry.failuresSince < FAILURE_WINDOW_MS ? entry.failures : 0;
  }

  opened(address: string): void {
    this.entry(address).open++;
  }

  closed(address: string): void {
    const entry = this.entries.get(networkOf(address));
    if (entry && entry.open > 0) entry.open--;
  }

  failed(address: string): void {
    const entry = this.entry(address);
    const now = performance.now();
    if (now - entry.failuresSince >= FAILURE_WINDOW_MS) {
      entry.failures = 0;
      entry.failuresSince = now;
    }
    entry.failures++;
  }

  private entry(address: string): Entry {
    const network = networkOf(address);
    let entry = this.entries.get(network);
    if (!entry) {
      if (this.entries.size >= MAX_IDLE_ENTRIES) this.forgetIdle();
      const opening = new TokenBucket(this.ratePerAddress);
      entry = { open: 0, opening, failures: 0, failuresSince: -FAILURE_WINDOW_MS };
      this.entries.set(network, entry);
    }
    return entry;
  }

  /** Makes room: first who has done nothing lately, then the oldest without a connection. */
  private forgetIdle(): void {
    for (const [network, { open, opening, failuresSince }] of this.entries) {
      const isRecent = performance.now() - failuresSince < FAILURE_WINDOW_MS || !opening.isFull;
      if (open === 0 && !isRecent) this.entries.delete(network);
    }
    for (const [network, { open }] of this.entries) {
      if (this.entries.size < MAX_IDLE_ENTRIES) return;
      if (open === 0) this.entries.delete(network);
    }
  }
}

/** One customer of an IPv6 provider has a whole /64. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}

/**
 * Tells whether a request comes through a proxy that the application does not trust: then its address is the proxy's,
 * and what is allowed to one client must not be allowed to all of them together. Only a private or loopback peer counts
 * as one, so that nobody outside can leave the bounds by sending the header.
 */
export function isUnknownProxy(request: IncomingMessage, address: string): boolean {
  const isForwarded = 'x-forwarded-for' in request.headers || 'forwarded' in request.headers;
  return isForwarded && PRIVATE.test(address);
}

/** RFC 1918, RFC 4193, loopback and link-local. */
const PRIVATE = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cd]|fe80:)/i;
