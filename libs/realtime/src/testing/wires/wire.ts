/** What a test client needs of a transport. */
import type { IncomingHttpHeaders } from 'node:http';

/** A received message: text as a string, binary as bytes. */
export type Received = string | Buffer;

/** How a connection ended, as the client saw it. */
export interface ClientEnd {
  readonly code: number;
  readonly reason: string;
}

/** The error that a refused `connect` rejects with. */
export interface Refusal extends Error {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Makes a Refusal of an HTTP answer. @param what for example `The handshake` */
export function refusalOf(what: string, status: number, headers: IncomingHttpHeaders, body: string): Refusal {
  return Object.assign(new Error(`${what} was refused with ${status}: ${body}`), { status, headers, body });
}

/** The client above a wire. */
export interface WireOwner {
  received(data: Received): void;
  /** The connection has ended. Called once. */
  ended(end: ClientEnd): void;
  /** The server did not take a message. */
  failed(error: Error): void;
}

/** One client of one transport. */
export interface Wire {
  readonly transport: string;
  /** The agreed subprotocol; empty when there is none. */
  readonly protocol: string;
  /** The local port of the request that opened the connection: the server knows the client by it. */
  readonly port: number | undefined;
  /** The connection's id, where the transport says it. */
  readonly id: string | undefined;
  send(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
  /** Disconnects without a close. */
  vanish(): void;
}

/** How a wire connects. */
export interface WireOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  readonly timeoutMs: number;
}
