/** What the client needs of a transport, and how a hello is written (docs/recovery.md of the server). */
import type { Environment, FetchInit } from './environment.js';
import type { Upper } from './upper.js';

/** Why there is no connection. */
export interface Refusal {
  /** Of the answer; undefined when there was none. */
  readonly status?: number;
  readonly retryAfterMs?: number;
  /** HTTP arrives, but the transport does not. */
  readonly isBlocked?: boolean;
  /** The transport does not exist here. */
  readonly isAbsent?: boolean;
  readonly words: string;
}

/** What is said of a server that is away. */
export const AWAY = 'the server does not answer';

/** A way to the server. */
export type Transport = 'websocket' | 'sse' | 'polling';

/** How a wire ended. */
export interface WireEnd {
  readonly code: number;
  readonly reason: string;
  /** Why it did not open, where that is known. */
  readonly refusal?: Refusal;
  /** The answer with which the server refused it, where the transport can see it, and its body. */
  readonly answer?: Response;
  readonly body?: string;
}

/** Where a wire leads. */
export interface WireOptions {
  /** The URL of the gateway, with `http:` or `https:`. */
  readonly address: string;
  readonly protocols: readonly string[];
  readonly environment: Environment;
}

/** The client above a wire. Nothing is called after `ended`. */
export interface WireOwner {
  readonly via: Transport;
  readonly target: WireOptions;
  readonly bearer: string | undefined;
  /** The hello at this moment; an empty text: it is left out. */
  hello(): string;
  /** What is counted: the session's secret, and what the server has. */
  readonly upper: Pick<Upper, 'ledger' | 'acknowledged'>;
  /** Requests the URL, or another one, with the credentials of the user. */
  fetch(init: FetchInit, url?: string): Promise<Response>;
  /** The server has accepted the handshake: an `rt:open` follows. */
  opened(): void;
  received(data: string | ArrayBuffer): void;
  /** A sign of life. */
  heard(): void;
  /** @param end what is not known of it is that of a server that does not answer */
  ended(end?: Partial<WireEnd>): void;
}

/** The end of a wire that says nothing of itself. */
export const LOST: WireEnd = { code: 1006, reason: AWAY };

/** One connection to the server. */
export interface Wire {
  /** @param n the number of the message in its session; undefined: it is not counted */
  write(data: string | Uint8Array, n?: number): void;
  /** Ends it; the owner hears nothing more. 1000 ends the connection on the server, 3100 only the wire. */
  closeWith(code: number): void;
}

/** Opens a wire. */
export type OpenWire = (owner: WireOwner) => Wire;

/** Opens a wire of a transport, which may have to be loaded first. */
export type OpenTransport = (owner: WireOwner) => Promise<Wire>;

/** The subprotocol of a client library. */
export const PROTOCOL = 'realtime.v1';

/** The close code that ends a wire and leaves its session on the server. */
export const DETACH = 3100;

/** @returns what a JSON text says; undefined for another text */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Encodes a text as base64url without padding. */
export function base64url(text: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
