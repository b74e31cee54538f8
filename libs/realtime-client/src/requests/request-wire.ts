/** What SSE and polling have in common: a loop of GETs for the way down, POSTs for the way up. */
import { refusalOf } from '../probe.js';
import { credentials, type Wire, type WireEnd, type WireOptions } from '../wire.js';
import { COUNT, Posts, TOKEN } from './posts.js';

const LOST: WireEnd = { code: 1006, reason: 'the server does not answer' };

export abstract class RequestWire implements Wire {
  abstract readonly transport: 'sse' | 'polling';
  protected isUp = false;
  protected isOver = false;
  /** The secret of a server that does not speak `realtime.v1`. */
  #plainToken: string | undefined;
  #aborter = new AbortController();
  #posts: Posts;

  constructor(protected readonly options: WireOptions) {
    const session = () => this.#plainToken ?? options.session();
    this.#posts = new Posts({ ...options, session }, this.#aborter.signal, () => this.end(LOST));
  }

  /** One request for messages. @returns false when it was of no use */
  protected abstract get(): Promise<boolean>;

  start(): this {
    void this.#run();
    return this;
  }

  send(data: string | Uint8Array, n?: number): void {
    this.#posts.send(data, n);
  }

  close(code: number): void {
    if (this.isOver) return;
    this.isOver = true;
    // The server ends a connection only as long as it has the wire
    if (code === 1000) void this.#posts.leave().finally(() => this.#aborter.abort());
    else this.#aborter.abort();
  }

  /** The server has a connection for this client. @param token the secret, on the old wire */
  protected up(isSession: boolean, token?: string): void {
    this.isUp = true;
    this.#posts.isCounted = isSession;
    this.#plainToken = isSession ? undefined : token;
    this.options.owner.opened(isSession);
  }

  protected end(end: WireEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#aborter.abort();
    this.options.owner.ended(end);
  }

  protected fetch(query: string, headers: Record<string, string>): Promise<Response> {
    const { url, token, environment } = this.options;
    const target = new URL(url);
    if (query) target.search += `${target.search ? '&' : '?'}${query}`;
    const init = { headers: { ...credentials(token), ...headers }, cache: 'no-store', credentials: 'include' } as const;
    return environment.fetch(target.href, { ...init, signal: this.#aborter.signal });
  }

  /** The headers that make a new connection, or resume the session. */
  protected greeting(): Record<string, string> {
    const hello = this.options.hello();
    return hello ? { 'x-realtime-hello': hello } : {};
  }

  /** The headers of a later request, which must not begin a connection where the wire is gone. */
  protected held(): Record<string, string> {
    const plain = this.#plainToken;
    return plain ? { [TOKEN]: plain } : { [TOKEN]: this.options.session()!, [COUNT]: '0' };
  }

  /** @returns false for an answer that is not the beginning of messages: the wire has then ended */
  protected async isAccepted(answer: Response, type: string): Promise<boolean> {
    if (answer.status === 200 && answer.headers.get('content-type')?.startsWith(type)) return true;
    this.end({ ...LOST, refusal: await refusalOf(answer) });
    return false;
  }

  async #run(): Promise<void> {
    try {
      while (!this.isOver && (await this.get()));
    } catch {
      // The network: said below
    }
    this.end(LOST);
  }
}
