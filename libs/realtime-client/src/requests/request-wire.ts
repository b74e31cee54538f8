/** What SSE and polling have in common: a loop of GETs for the way down, POSTs for the way up. */
import type { Wire, WireEnd, WireOwner } from '../wire.js';
import { COUNT, Posts, TOKEN } from './posts.js';

export abstract class RequestWire implements Wire {
  protected isOver = false;
  #aborter = new AbortController();
  #posts: Posts;

  constructor(protected readonly owner: WireOwner) {
    this.#posts = new Posts(owner, this.#aborter.signal, () => this.end());
    // The fields of the subclass come later
    queueMicrotask(() => void this.#run());
  }

  /** One request for messages. @returns false when it was of no use */
  protected abstract get(): Promise<boolean>;

  write(data: string | Uint8Array, n?: number): void {
    this.#posts.write(data, n);
  }

  closeWith(code: number): void {
    if (this.isOver) return;
    this.isOver = true;
    // The server ends a connection only as long as it has the wire
    if (code === 1000) void this.#posts.leave().finally(() => this.#aborter.abort());
    else this.#aborter.abort();
  }

  protected end(end?: Partial<WireEnd>): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#aborter.abort();
    this.owner.ended(end);
  }

  /**
   * @param isLater the request goes on with a connection, and does not make or resume one
   * @returns the answer; undefined when it is not the beginning of messages: the wire has then ended
   */
  protected async fetch(accept: string, query = '', isLater = false): Promise<Response | undefined> {
    const { owner } = this;
    const { address, environment } = owner.target;
    const target = query && address + (address.includes('?') ? '&' : '?') + query;
    // A later request must not begin a connection where the wire is gone
    const who: Record<string, string> = isLater
      ? { [TOKEN]: owner.upper.ledger.secret!, [COUNT]: '0' }
      : { 'x-realtime-hello': owner.hello() };
    const answer = await owner.fetch({ headers: { accept, ...who }, signal: this.#aborter.signal }, target || address);
    const seconds = answer.headers.get('retry-after');
    // The node of the connection was too late: the wire lives, and a hello could end elsewhere
    if (isLater && answer.status === 503 && seconds) {
      await answer.text();
      await new Promise<void>((resolve) => environment.after(Number(seconds) * 1000, resolve));
      return this.isOver ? undefined : this.fetch(accept, query, isLater);
    }
    if (answer.status !== 200 || !answer.headers.get('content-type')?.startsWith(accept)) {
      this.end({ answer, body: await answer.text() });
      return undefined;
    }
    owner.heard();
    if (!isLater) owner.opened();
    return answer;
  }

  async #run(): Promise<void> {
    try {
      while (!this.isOver && (await this.get()));
    } catch {
      // The network: said below
    }
    this.end();
  }
}
