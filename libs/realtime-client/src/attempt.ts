/** One wire, from the token that it needs to its end. */
import type { Environment, FetchInit } from './environment.js';
import { UnauthorizedError } from './errors.js';
import { BLOCKED } from './probe.js';
import type { Token } from './token.js';
import type { Upper } from './upper.js';
import { AWAY, DETACH, type OpenTransport, type Transport, type Wire, type WireEnd, type WireOwner } from './wire.js';

const HANDSHAKE_MS = 10_000;

/** How the client connects. */
export interface AttemptOptions {
  /** The URL of the gateway, with `http:` or `https:`. */
  readonly url: string;
  readonly protocols: readonly string[];
  readonly open: OpenTransport;
  readonly token: Token;
  readonly environment: Environment;
}

/** What an attempt needs of the connector. Nothing is called after `ended`. */
export interface AttemptOwner {
  received(attempt: Attempt, data: string | ArrayBuffer): void;
  heard(): void;
  ended(attempt: Attempt, end: WireEnd): void;
}

export class Attempt implements WireOwner {
  /** The handshake was accepted. */
  isUp = false;
  /** Messages may be sent. */
  isOpen = false;
  #token: string | undefined;
  #wire: Wire | undefined;
  /** There was a token; what fails now is the transport. */
  #isDialled = false;
  #isOver = false;
  #cancelTimer = () => {};

  /** @param isShort without hello */
  constructor(
    readonly transport: Transport,
    private readonly isShort: boolean,
    private readonly options: AttemptOptions,
    private readonly upper: Upper,
    private readonly owner: AttemptOwner,
  ) {
    this.#start().catch((error: Error) => {
      const status = error instanceof UnauthorizedError ? 403 : undefined;
      const isAbsent = this.#isDialled && this.transport === 'websocket';
      this.ended({ code: 1006, reason: '', refusal: { status, isAbsent, words: error.message } });
    });
  }

  /** @param n the number of the message in its session; undefined: it is not counted */
  send(data: string | Uint8Array, n?: number): void {
    this.#wire?.send(data, n);
  }

  /** The server has said `rt:open`. */
  ready(): void {
    this.isOpen = true;
    this.#cancelTimer();
  }

  /** Ends it: the owner hears nothing more. */
  close(code: number): void {
    this.#isOver = true;
    this.#cancelTimer();
    this.#wire?.close(code);
  }

  /** Requests the URL of the gateway, or another one, with the credentials of the user. */
  fetch(init: FetchInit, url = this.options.url): Promise<Response> {
    const headers = { ...init.headers, ...(this.#token && { authorization: `Bearer ${this.#token}` }) };
    const options = { cache: 'no-store', credentials: 'include', ...init, headers } as const;
    return this.options.environment.fetch(url, options);
  }

  async #start(): Promise<void> {
    const { upper, options } = this;
    const token = (this.#token = await options.token.get());
    if (this.#isOver) return;
    this.#cancelTimer = options.environment.after(HANDSHAKE_MS, () =>
      this.ended({ code: 1006, reason: AWAY, refusal: this.isUp ? BLOCKED : undefined }),
    );
    this.#isDialled = true;
    const wire = await options.open(this.transport, {
      ...options,
      token,
      fetch: (init, url) => this.fetch(init, url),
      hello: () => (this.isShort ? '' : upper.hello()),
      session: () => upper.secret(),
      owner: this,
    });
    this.#wire = wire;
    if (this.#isOver) wire.close(DETACH);
  }

  opened(): void {
    this.isUp = true;
    void this.#authenticate();
  }

  received(data: string | ArrayBuffer): void {
    if (!this.#isOver) this.owner.received(this, data);
  }

  heard(): void {
    this.owner.heard();
  }

  acknowledged(n: number): void {
    if (!this.#isOver) this.upper.acknowledged(n);
  }

  ended(end: WireEnd): void {
    if (this.#isOver) return;
    this.close(DETACH);
    this.owner.ended(this, end);
  }

  async #authenticate(): Promise<void> {
    const first = await this.upper.authenticate();
    if (first !== undefined && !this.#isOver) this.send(first);
  }
}
