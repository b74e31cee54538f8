/** One wire, from the token that it needs to its end. */
import type { Liveness } from './liveness.js';
import type { FetchInit } from './environment.js';
import { UnauthorizedError } from './errors.js';
import { BLOCKED } from './probe.js';
import type { Token } from './token.js';
import type { Upper } from './upper.js';
import {
  DETACH,
  LOST,
  type OpenTransport,
  type Transport,
  type Wire,
  type WireEnd,
  type WireOptions,
  type WireOwner,
} from './wire.js';

const HANDSHAKE_MS = 10_000;

/** How the client connects. */
export interface AttemptOptions extends WireOptions {
  readonly dial: OpenTransport;
  readonly credential: Token;
}

/** What an attempt needs of the connector. Nothing is called after `ended`. */
export interface AttemptOwner {
  readonly liveness: Liveness;
  received(attempt: Attempt, data: string | ArrayBuffer): void;
  ended(attempt: Attempt, end: WireEnd): void;
}

export class Attempt implements WireOwner {
  /** The handshake was accepted. */
  isUp: boolean | undefined;
  /** Messages may be sent. */
  isOpen: boolean | undefined;
  bearer: string | undefined;
  #wire: Wire | undefined;
  #isOver: boolean | undefined;
  /** Set as soon as there is a token: what fails then is the transport. */
  #cancelTimer: (() => void) | undefined;

  /** @param isShort without hello */
  constructor(
    readonly via: Transport,
    private readonly isShort: boolean | undefined,
    readonly target: AttemptOptions,
    readonly upper: Upper,
    private readonly owner: AttemptOwner,
  ) {
    void this.#run(this.#start());
  }

  /** @param n the number of the message in its session; undefined: it is not counted */
  write(data: string | Uint8Array, n?: number): void {
    this.#wire?.write(data, n);
  }

  /** The server has said `rt:open`. */
  ready(): void {
    this.isOpen = true;
    this.#cancelTimer?.();
  }

  /** Ends it: the owner hears nothing more. */
  closeWith(code: number): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#wire?.closeWith(code);
  }

  /** Requests the URL of the gateway, or another one, with the credentials of the user. */
  fetch(init?: FetchInit, url = this.target.address): Promise<Response> {
    const headers = { ...init?.headers, ...(this.bearer && { authorization: `Bearer ${this.bearer}` }) };
    return this.target.environment.fetch(url, { cache: 'no-store', credentials: 'include', ...init, headers });
  }

  hello(): string {
    return this.isShort ? '' : this.upper.hello(this.bearer);
  }

  async #start(): Promise<void> {
    const { target } = this;
    this.bearer = await target.credential.get();
    if (this.#isOver) return;
    this.#cancelTimer = target.environment.after(HANDSHAKE_MS, () =>
      this.ended({ refusal: this.isUp ? BLOCKED : undefined }),
    );
    this.#wire = await target.dial(this);
    if (this.#isOver) this.#wire.closeWith(DETACH);
  }

  opened(): void {
    this.isUp = true;
    void this.#run(this.#authenticate());
  }

  received(data: string | ArrayBuffer): void {
    if (!this.#isOver) this.owner.received(this, data);
  }

  heard(): void {
    this.owner.liveness.heard();
  }

  ended(end?: Partial<WireEnd>): void {
    if (this.#isOver) return;
    this.closeWith(DETACH);
    this.owner.ended(this, { ...LOST, ...end });
  }

  /** Ends the attempt when a step of it fails: a callback of the application, or a class of WebSockets. */
  async #run(step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (error) {
      const status = error instanceof UnauthorizedError ? 403 : undefined;
      const isAbsent = this.#cancelTimer && !this.isUp && this.via === 'websocket';
      this.ended({ refusal: { status, isAbsent, words: (error as Error).message } });
    }
  }

  async #authenticate(): Promise<void> {
    const first = await this.upper.firstMessage();
    if (first !== undefined && !this.#isOver) this.write(first);
  }
}
