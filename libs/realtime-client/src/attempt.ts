/** One wire, from the token that it needs to its end. */
import type { Environment } from './environment.js';
import type { Mode } from './ladder.js';
import type { Token } from './token.js';
import type { Upper } from './upper.js';
import { DETACH, type OpenWire, type Transport, type Wire, type WireEnd } from './wire.js';

const HANDSHAKE_MS = 10_000;

/** How the client connects. */
export interface AttemptOptions {
  /** The URL of the gateway, with `http:` or `https:`. */
  readonly url: string;
  readonly protocols: readonly string[];
  readonly open: Readonly<Record<Transport, OpenWire>>;
  readonly token: Token;
  readonly environment: Environment;
}

/** What an attempt needs of the connector. */
export interface AttemptOwner {
  /** The server does not speak `realtime.v1`: there is no `rt:open`. */
  openedPlain(attempt: Attempt): void;
  received(attempt: Attempt, data: string | ArrayBuffer): void;
  heard(attempt: Attempt): void;
  ended(attempt: Attempt, end: WireEnd): void;
  /** There was no handshake: no token, or no transport. */
  failed(attempt: Attempt, error: Error): void;
}

export class Attempt {
  /** The handshake was accepted. */
  isUp = false;
  /** Messages may be sent. */
  isOpen = false;
  #wire: Wire | undefined;
  #isOver = false;
  #cancelTimer = () => {};

  constructor(
    readonly transport: Transport,
    private readonly mode: Mode,
    private readonly options: AttemptOptions,
    private readonly upper: Upper,
    private readonly owner: AttemptOwner,
  ) {
    this.#start().catch((error: Error) => {
      if (!this.#isOver) owner.failed(this, error);
    });
  }

  /** @param n the number of the message in its session; undefined: it is not counted */
  send(data: string | Uint8Array, n?: number): void {
    this.#wire?.send(data, n);
  }

  opened(): void {
    this.isOpen = true;
    this.#cancelTimer();
  }

  /** Ends it: the owner hears nothing more. */
  close(code: number): void {
    this.#isOver = true;
    this.#cancelTimer();
    this.#wire?.close(code);
  }

  async #start(): Promise<void> {
    const { mode, owner, upper } = this;
    const { url, protocols, environment, token, open } = this.options;
    const known = await token.get();
    if (this.#isOver) return;
    const late = () => this.#ended({ code: 1006, reason: 'the server took too long to answer' });
    this.#cancelTimer = environment.after(HANDSHAKE_MS, late);
    const wire = await open[this.transport]({
      ...{ url, protocols, environment, token: known },
      hello: () => (mode ? (mode > 1 ? undefined : '') : upper.hello()),
      session: () => upper.session(),
      owner: {
        opened: (isSession) => void this.#opened(isSession),
        received: (data) => this.#isOver || owner.received(this, data),
        heard: () => owner.heard(this),
        acknowledged: (n) => this.#isOver || upper.acknowledged(n),
        ended: (end) => this.#ended(end),
      },
    });
    if (this.#isOver) wire.close(DETACH);
    else this.#wire = wire;
  }

  async #opened(isSession: boolean): Promise<void> {
    this.isUp = true;
    const first = await this.upper.authenticate();
    if (this.#isOver) return;
    if (first !== undefined) this.send(first);
    if (!isSession) this.owner.openedPlain(this);
  }

  #ended(end: WireEnd): void {
    if (this.#isOver) return;
    this.close(DETACH);
    this.owner.ended(this, end);
  }
}
