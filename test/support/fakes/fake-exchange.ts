/** A request and its response without a network, for unit specs of the transports that speak plain HTTP. */
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable, Writable } from 'node:stream';
import type { HttpAnswer, HttpExchange } from '../../../libs/realtime/src/http/exchange.js';
import { WatchedAnswer } from '../../../libs/realtime/src/transports/requests/watched-answer.js';

export interface FakeExchangeParts {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body as a stream. */
  readonly body?: Readable;
  /** The result of a body parser. */
  readonly parsed?: unknown;
}

export class FakeExchange implements HttpExchange {
  readonly incoming: IncomingMessage;
  readonly raw: HttpExchange['raw'];
  readonly response = {};
  readonly headers: Record<string, string> = {};
  readonly answer: HttpAnswer;
  readonly watched: WatchedAnswer;
  /** The text that was written to the stream. */
  written = '';
  status?: number;
  body?: string;
  hasEnded = false;
  isCut = false;
  /** True for a client that does not read: written data waits. */
  isStuck = false;
  private close: () => void = () => {};
  private stuck: (() => void)[] = [];

  constructor({ method = 'GET', url = '/ws', headers = {}, body, parsed }: FakeExchangeParts = {}) {
    const socket = { destroyed: false, destroy: () => this.vanishes(true) };
    this.incoming = Object.assign(body ?? new PassThrough(), { method, url, headers, socket, complete: true }) as never;
    this.raw = { body: parsed };
    this.answer = {
      header: (name, value) => void (this.headers[name.toLowerCase()] = value),
      send: (status, text) => this.finish(status, text),
      stream: () => this.stream(),
      onClose: (listener) => (this.close = listener),
    };
    this.watched = new WatchedAnswer(this);
  }

  /** The client reads again. */
  reads(): void {
    this.isStuck = false;
    for (const done of this.stuck.splice(0)) done();
  }

  /** The client leaves without an answer. */
  vanishes(isCut = false): void {
    this.isCut = isCut;
    this.close();
  }

  private finish(status: number, text?: string): void {
    this.status = status;
    this.body = text;
    this.hasEnded = true;
    queueMicrotask(() => this.close());
  }

  private stream(): Writable {
    return new Writable({
      highWaterMark: 100,
      write: (part: Buffer, _encoding, done) => {
        this.written += part.toString();
        if (this.isStuck) this.stuck.push(done);
        else done();
      },
      final: (done) => {
        this.hasEnded = true;
        done();
      },
    });
  }
}
