/** One HTTP response of the platform, as the transports that speak plain HTTP use it. */
import type { Writable } from 'node:stream';
import type { HttpAnswer, HttpExchange } from '../../http/exchange.js';

/** A exchange whose response is watched. */
export interface WatchedExchange extends HttpExchange {
  readonly answer: WatchedAnswer;
}

/** A response that is watched from the moment its request came: a client that goes during an await is not missed. */
export class WatchedAnswer implements HttpAnswer {
  /** The response has ended, or the client has gone. */
  isClosed: boolean;
  private listener?: () => void;
  private timer?: NodeJS.Timeout;

  constructor(private readonly exchange: HttpExchange) {
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
    this.exchange.incoming.socket.destroy();
  }

  private closed(): void {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.isClosed = true;
    this.listener?.();
  }
}
