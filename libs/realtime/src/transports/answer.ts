/** One HTTP response of the platform, as the transports that speak plain HTTP use it. */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { PlatformRequest } from '../handshake-request.js';

export interface Answer {
  header(name: string, value: string): void;
  /** Ends the response with a body. */
  send(status: number, body?: string): void;
  /** Starts a response of 200 whose body is written as it comes. */
  stream(): Writable;
  /** The response has ended, or the client has gone. Called once. */
  onClose(listener: () => void): void;
}

/** A request at the gateway's door that is no upgrade. */
export interface Visit {
  readonly node: IncomingMessage;
  /** The platform's request. */
  readonly raw: PlatformRequest & object & { readonly body?: unknown };
  /** The platform's response. */
  readonly response: unknown;
  readonly answer: Answer;
}
