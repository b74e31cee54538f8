/** What the client needs of a transport, and how a hello is written (docs/recovery.md of the server). */
import type { Environment } from './environment.js';

/** Why there is no connection. */
export interface Refusal {
  /** 0 when nobody answers. */
  readonly status: number;
  readonly retryAfterMs?: number;
  /** HTTP arrives, but the transport does not. */
  readonly isBlocked: boolean;
  readonly words: string;
}

/** A way to the server. */
export type Transport = 'websocket' | 'sse' | 'polling';

/** How a wire ended. */
export interface WireEnd {
  readonly code: number;
  readonly reason: string;
  /** Why it did not open, where the transport can see it. */
  readonly refusal?: Refusal;
}

/** The client above a wire. Nothing is called after `ended`. */
export interface WireOwner {
  /** @param isSession true when the server speaks `realtime.v1`: an `rt:open` follows */
  opened(isSession: boolean): void;
  received(data: string | ArrayBuffer): void;
  /** A sign of life. */
  heard(): void;
  /** The server has everything up to this number. */
  acknowledged(n: number): void;
  ended(end: WireEnd): void;
}

/** One connection to the server. */
export interface Wire {
  readonly transport: Transport;
  /** @param n the number of the message in its session; undefined: it is not counted */
  send(data: string | Uint8Array, n?: number): void;
  /** Ends it; the owner hears nothing more. 1000 ends the connection on the server, 3100 only the wire. */
  close(code: number): void;
}

/** How a wire is opened. */
export interface WireOptions {
  /** The URL of the gateway, with `http:` or `https:`. */
  readonly url: string;
  readonly protocols: readonly string[];
  readonly token: string | undefined;
  /** The hello at this moment; an empty text: `realtime.v1` without hello; undefined: the old wire. */
  hello(): string | undefined;
  /** The session's secret, for requests that follow the first. */
  session(): string | undefined;
  readonly environment: Environment;
  readonly owner: WireOwner;
}

/** Opens a wire. */
export type OpenWire = (options: WireOptions) => Wire | Promise<Wire>;

/** The subprotocol of a client library. */
export const PROTOCOL = 'realtime.v1';

/** The close code that ends a wire and leaves its session on the server. */
export const DETACH = 3100;

/** Encodes a text as base64url without padding. */
export function base64url(text: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Milliseconds of a `Retry-After` in seconds; undefined when there is none. */
export function retryAfterMs(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') || NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}

/** The headers of every request with credentials. */
export function credentials(token: string | undefined): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}
