/** Road OUT, step 10: an HTTP response of the platform, for the transports that speak plain HTTP. */
import type { Writable } from 'node:stream';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';

/** An exchange whose response is watched. */
export interface WatchedExchange extends HttpExchange {
  readonly answer: WatchedAnswer;
  /** Rises with every request: of two requests, the newer one has the greater number. */
  readonly arrival: number;
}

/**
 * The response to a request that carries the messages of a connection: a stream, or the answer to a poll. A socket knows
 * nothing else of the request. An implementation may write it on another node than this one.
 */
export interface CarryingAnswer extends HttpAnswer {
  /** True when the response has ended, or the client is gone. */
  readonly isClosed: boolean;
  /**
   * Cuts the network connection if the client has not taken the whole response in time.
   *
   * @param seconds how long the client has; 0 for no limit
   * @param mayCut called when the time is over; the connection is cut if it returns true
   */
  cutAfter(seconds: number, mayCut?: () => boolean): void;
  /** Cuts the network connection. */
  cut(): void;
}

/** What is watched: a response, and the network connection below it. */
export interface Watched {
  readonly answer: HttpAnswer;
  readonly incoming: { readonly socket: { readonly destroyed: boolean; destroy(): unknown } };
}

/**
 * A response that is watched from the arrival of its request on, so that a client that leaves during an await is
 * noticed.
 */
export class WatchedAnswer implements CarryingAnswer {
  isClosed: boolean;
  private listener?: () => void;
  private timer?: NodeJS.Timeout;

  constructor(private readonly exchange: Watched) {
    this.isClosed = exchange.incoming.socket.destroyed;
    exchange.answer.onClose(() => this.closed());
  }

  header(name: string, value: string): void {
    this.exchange.answer.header(name, value);
  }

  send(status: number, body?: string): void {
    this.exchange.answer.send(status, body);
  }

  stream(): Writable {
    return this.exchange.answer.stream();
  }

  onClose(listener: () => void): void {
    if (this.isClosed) listener();
    else this.listener = listener;
  }

  cutAfter(seconds: number, mayCut = () => true): void {
    clearTimeout(this.timer);
    if (!this.isClosed && seconds > 0) this.timer = setTimeout(() => mayCut() && this.cut(), seconds * 1000);
  }

  cut(): void {
    this.exchange.incoming.socket.destroy();
  }

  private closed(): void {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener?.();
  }
}
