/** A plain HTTP request on a gateway's path and the response to it, whatever the platform. */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { PlatformRequest } from './platform-request.js';

export interface HttpAnswer {
  header(name: string, value: string): void;
  /** Ends the response with a body. */
  send(status: number, body?: string): void;
  /** Starts a 200 response. @returns the stream that its body is written to */
  stream(): Writable;
  /** Calls the listener once, when the response has ended or the client has gone. */
  onClose(listener: () => void): void;
}

/** A request at the gateway's door that is not an upgrade. */
export interface HttpExchange {
  readonly incoming: IncomingMessage;
  /** The platform's request. */
  readonly raw: PlatformRequest & object & { readonly body?: unknown };
  /** The platform's response. */
  readonly response: unknown;
  readonly answer: HttpAnswer;
}
