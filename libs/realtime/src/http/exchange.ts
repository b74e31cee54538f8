/** A plain HTTP request at the gateway's path and the response to it, whatever the platform. */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { PlatformRequest } from './platform-request.js';

export interface HttpAnswer {
  header(name: string, value: string): void;
  /** Ends the response with a body. */
  send(status: number, body?: string): void;
  /** Starts a response of 200 whose body is written as it comes. */
  stream(): Writable;
  /** The response has ended, or the client has gone. Called once. */
  onClose(listener: () => void): void;
}

/** A request at the gateway's door that is no upgrade. */
export interface HttpExchange {
  readonly incoming: IncomingMessage;
  /** The platform's request. */
  readonly raw: PlatformRequest & object & { readonly body?: unknown };
  /** The platform's response. */
  readonly response: unknown;
  readonly answer: HttpAnswer;
}
