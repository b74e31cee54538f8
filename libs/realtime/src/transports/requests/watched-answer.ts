/** One HTTP response of the platform, as the transports that speak plain HTTP use it. */
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { PlatformRequest } from '../../handshake-request.js';

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

/** A visit whose response is watched. */
export interface WatchedVisit extends Visit {
  readonly answer: WatchedAnswer;
}

/** A response that is watched from the moment its request came: a client that goes during an await is not missed. */
export class WatchedAnswer implements Answer {
  /** The response has ended, or the client has gone. */
  isClosed: boolean;
  private listener?: () => void;
  private timer?: NodeJS.Timeout;

  constructor(private readonly visit: Visit) {
    this.isClosed = visit.node.socket.destroyed;
    visit.answer.onClose(() => this.closed());
  }

  header(name: string, value: string): void {
    this.visit.answer.header(name, value);
  }

  send(status: number, body?: string): void {
    this.visit.answer.send(status, body);
  }

  stream(): Writable {
    return this.visit.answer.stream();
  }

  onClose(listener: () => void): void {
    if (this.isClosed) listener();
    else this.listener = listener;
  }

  /**
   * Cuts the network connection when the client has not taken the whole response by then; 0 waits for ever.
   *
   * @param mayCut asked then
   */
  cutAfter(seconds: number, mayCut = () => true): void {
    clearTimeout(this.timer);
    if (!this.isClosed && seconds > 0) this.timer = setTimeout(() => mayCut() && this.cut(), seconds * 1000);
  }

  /** Cuts the network connection. */
  cut(): void {
    this.visit.node.socket.destroy();
  }

  private closed(): void {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener?.();
  }
}
