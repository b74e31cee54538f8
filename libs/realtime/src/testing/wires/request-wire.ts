import type { IncomingHttpHeaders } from 'node:http';
import { CloseCode } from 'nestjs-realtime-protocol';
import { type Answered, ask, type Asked } from './http.js';
import { type ClientEnd, refusalOf, type Wire, type WireOptions, type WireOwner } from './wire.js';

const TOKEN_HEADER = 'x-realtime-token';

/** The client's side of a transport that speaks plain HTTP: it sends by `POST` and leaves by `DELETE`. */
export abstract class RequestWire implements Wire {
  abstract readonly transport: string;
  readonly protocol = '';
  id: string | undefined = undefined;
  port: number | undefined = undefined;
  protected token = '';
  protected hasEnded = false;
  /** Cookies are kept, as a browser keeps them: a new session is the owner of the token. */
  private readonly cookies = new Map<string, string>();
  /** Requests leave one after the other: of two at once the later could arrive first. */
  private queue: Promise<void> = Promise.resolve();
  protected readonly aborter = new AbortController();
  protected readonly url: string;

  constructor(
    url: string,
    protected readonly options: WireOptions,
    protected readonly owner: WireOwner,
  ) {
    this.url = url.replace(/^ws/, 'http');
    for (const pair of options.headers['cookie']?.split('; ') ?? []) this.keep(pair);
  }

  send(data: string | Uint8Array): void {
    const isText = typeof data === 'string';
    const body = isText ? data : JSON.stringify([{ binary: Buffer.from(data).toString('base64') }]);
    const headers = { 'content-type': isText ? 'text/plain' : 'application/json' };
    this.upstream({ method: 'POST', headers, body });
  }

  close(code: number, reason: string): void {
    if (code !== CloseCode.NORMAL || reason !== '') {
      throw new RangeError(`A client of ${this.transport} can only leave with 1000 and without a reason`);
    }
    this.upstream({ method: 'DELETE', headers: {} });
  }

  vanish(): void {
    this.end({ code: CloseCode.ABNORMAL, reason: '' });
  }

  /** Nothing is received from now on. */
  protected end(end: ClientEnd): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.aborter.abort();
    this.owner.ended(end);
  }

  private upstream(asked: Asked): void {
    this.queue = this.queue.then(() => this.hand(asked)).catch((error: Error) => this.owner.failed(error));
  }

  /** A message that is too late is lost, as on a WebSocket that is closing. */
  private async hand(asked: Asked): Promise<void> {
    if (this.hasEnded) return;
    const { status, headers, body } = await ask(this.url, { ...asked, headers: this.headers(asked.headers) });
    if (status !== 204 && status !== 404) throw refusalOf('A message', status, headers, body);
  }

  /** The headers of a request: those of the test, the cookies, and the token. */
  protected headers(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return {
      ...this.options.headers,
      ...(cookie && { cookie }),
      ...(this.token && { [TOKEN_HEADER]: this.token }),
      ...more,
    };
  }

  /** Keeps what the first answer says about the connection. */
  protected opened({ id, token }: { id: string; token: string }): void {
    this.id = id;
    this.token = token;
  }

  /** Keeps the cookies of an answer. @throws Refusal when it is not 200 */
  protected admit({ status, headers, body }: Pick<Answered, 'status' | 'headers' | 'body'>): void {
    this.keepCookies(headers);
    if (status !== 200) throw refusalOf('The handshake', status, headers, body);
  }

  private keepCookies(headers: IncomingHttpHeaders): void {
    for (const cookie of headers['set-cookie'] ?? []) this.keep(cookie.split(';', 1)[0]!);
  }

  private keep(pair: string): void {
    const mark = pair.indexOf('=');
    this.cookies.set(pair.slice(0, mark).trim(), pair.slice(mark + 1));
  }
}
