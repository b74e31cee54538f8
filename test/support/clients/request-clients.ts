/** Clients for SSE and long polling, with the methods of the testing package's TestClient. */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';

export interface Ended {
  readonly code: number;
  readonly reason: string;
}

export interface AnyClient {
  send(data: string | Buffer): void | Promise<void>;
  next(): Promise<unknown>;
  closed(): Promise<Ended>;
  close(): Promise<unknown>;
  /** Disconnects without a close. */
  vanish(): void;
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly headers: Headers,
    readonly body: string,
  ) {
    super(`refused with ${status}: ${body}`);
  }
}

interface Reader {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

function nothingAfter({ code, reason }: Ended): Error {
  return new Error(`No further message: the connection has ended with ${code} "${reason}"`);
}

/** Lets a test await messages and the end of a connection. */
class Mailbox {
  private readonly unread: unknown[] = [];
  private readonly readers: Reader[] = [];
  private resolveEnd!: (end: Ended) => void;
  private ended?: Ended;
  readonly end = new Promise<Ended>((resolve) => (this.resolveEnd = resolve));

  put(value: unknown): void {
    const reader = this.readers.shift();
    if (reader) reader.resolve(value);
    else this.unread.push(value);
  }

  /** @throws Error when the connection has ended and no message is left: a test would wait for its whole timeout */
  async take(): Promise<unknown> {
    if (this.unread.length > 0) return this.unread.shift();
    if (this.ended) throw nothingAfter(this.ended);
    return new Promise((resolve, reject) => this.readers.push({ resolve, reject }));
  }

  finish(end: Ended): void {
    this.ended ??= end;
    this.resolveEnd(end);
    for (const reader of this.readers.splice(0)) reader.reject(nothingAfter(end));
  }
}

abstract class RequestClient implements AnyClient {
  token = '';
  id = '';
  protected readonly mailbox = new Mailbox();
  /** Headers of each request, with the cookie that an answer has set. */
  protected readonly headers: Record<string, string>;

  /** @param target the address, or where the next request goes */
  constructor(
    private readonly target: string | (() => string),
    headers: Record<string, string>,
  ) {
    this.headers = { ...headers };
  }

  protected get url(): string {
    return typeof this.target === 'string' ? this.target : this.target();
  }

  async send(data: string | Buffer): Promise<void> {
    const type = typeof data === 'string' ? 'text/plain' : 'application/json';
    const body = typeof data === 'string' ? data : JSON.stringify([{ binary: data.toString('base64') }]);
    const response = await this.upstream('POST', type, body);
    if (response.status !== 204) throw new Refused(response.status, response.headers, await response.text());
  }

  upstream(method: string, type: string, body?: string, more: Record<string, string> = {}): Promise<Response> {
    const headers = { ...this.headers, 'content-type': type, 'x-realtime-token': this.token, ...more };
    return fetch(this.url, { method, headers, body });
  }

  next(): Promise<unknown> {
    return this.mailbox.take();
  }

  closed(): Promise<Ended> {
    return this.mailbox.end;
  }

  async close(): Promise<unknown> {
    return (await this.upstream('DELETE', 'text/plain')).status;
  }

  abstract vanish(): void;
}

export class PollingClient extends RequestClient {
  position = 0;
  private isGone = false;
  private readonly aborter = new AbortController();

  static async connect(url: string | (() => string), headers: Record<string, string> = {}): Promise<PollingClient> {
    const client = new PollingClient(url, headers);
    await client.poll(false);
    void client.loop();
    return client;
  }

  async poll(isFurther = true): Promise<boolean> {
    const target = this.url;
    const mark = target.includes('?') ? '&' : '?';
    const token: Record<string, string> = isFurther ? { 'x-realtime-token': this.token } : {};
    const url = `${target}${mark}transport=polling&position=${this.position}`;
    const response = await fetch(url, { headers: { ...this.headers, ...token }, signal: this.aborter.signal });
    const text = await response.text();
    if (response.status !== 200) throw new Refused(response.status, response.headers, text);
    const [cookie] = /^[^;]+/.exec(response.headers.get('set-cookie') ?? '') ?? [];
    if (cookie !== undefined) this.headers['cookie'] = cookie;
    const batch = JSON.parse(text);
    if (batch.token) ({ token: this.token, id: this.id } = batch);
    this.position = batch.position;
    for (const item of batch.messages) this.mailbox.put(item.binary ? Buffer.from(item.binary, 'base64') : item);
    if (batch.close) this.mailbox.finish(batch.close);
    return batch.close === undefined;
  }

  private async loop(): Promise<void> {
    try {
      while (!this.isGone && (await this.poll()));
    } catch {
      this.mailbox.finish({ code: 1006, reason: '' });
    }
  }

  vanish(): void {
    this.isGone = true;
    this.aborter.abort();
  }
}

export class SseClient extends RequestClient {
  lastEventId = '';
  recovered?: boolean;
  /** Resolves when the latest stream has ended, whatever ended it. */
  over: Promise<void> = Promise.resolve();
  private request?: ClientRequest;

  static async connect(url: string | (() => string), headers: Record<string, string> = {}): Promise<SseClient> {
    const client = new SseClient(url, headers);
    await client.open();
    return client;
  }

  async open(): Promise<number> {
    const resume: Record<string, string> = this.lastEventId ? { 'last-event-id': this.lastEventId } : {};
    const headers = { ...this.headers, accept: 'text/event-stream', ...resume };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      this.request = httpRequest(this.url, { headers }, resolve).on('error', reject).end();
    });
    this.request!.on('error', () => {});
    if (response.statusCode !== 200) {
      let body = '';
      for await (const chunk of response) body += chunk;
      if (response.statusCode === 204) return 204;
      throw new Refused(response.statusCode!, new Headers(response.headers as Record<string, string>), body);
    }
    await this.read(response);
    return 200;
  }

  /** Resolves with the `open` event. */
  private read(response: IncomingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('error', () => {});
      this.over = new Promise((over) => response.once('close', over));
      response.on('close', () => reject(new Error('The stream ended before it was open')));
      response.on('data', (chunk: string) => {
        const blocks = (text + chunk).split('\n\n');
        text = blocks.pop()!;
        for (const block of blocks) this.take(block, resolve);
      });
    });
  }

  private take(block: string, opened: () => void): void {
    const lines = block.split('\n');
    const of = (name: string) =>
      lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
    const data = of('data').join('\n');
    const [event] = of('event');
    if (of('id')[0] !== undefined) this.lastEventId = of('id')[0]!;
    if (event === 'open') {
      ({ token: this.token, id: this.id, recovered: this.recovered } = JSON.parse(data));
      opened();
    } else if (event === 'close') this.mailbox.finish(JSON.parse(data));
    else if (event === 'binary') this.mailbox.put(Buffer.from(data, 'base64'));
    else if (event !== undefined) this.mailbox.put(`{"event":${JSON.stringify(event)},"data":${data}}`);
    else if (of('data').length > 0) this.mailbox.put(data);
  }

  vanish(): void {
    this.request?.destroy();
  }
}
