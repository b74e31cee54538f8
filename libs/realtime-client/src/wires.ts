/**
 * The present wire, and the one that takes its place: the next is opened while the present one still works. Who sends
 * a hello is deaf to the wire before it, so what arrives there meanwhile is held, and only handled when the next fails.
 */
import { Attempt, type AttemptOptions, type AttemptOwner } from './attempt.js';
import type { Upper } from './upper.js';
import { DETACH, type Transport, type WireEnd } from './wire.js';

/** What the wires tell the connector. */
export interface WiresOwner {
  heard(): void;
  /** The present wire has ended, and the next takes its place before it is open. */
  replaced(): void;
  /** The next wire did not open: the present one goes on. */
  stayed(): void;
  /** The present wire has ended, or was not opened, and there is no next. */
  ended(attempt: Attempt, end: WireEnd): void;
}

export class Wires implements AttemptOwner {
  now: Attempt | undefined;
  #next: Attempt | undefined;
  #held: (string | ArrayBuffer)[] = [];

  constructor(
    private readonly options: AttemptOptions,
    private readonly upper: Upper,
    private readonly owner: WiresOwner,
  ) {}

  /** Whether messages may be sent. */
  get isWritable(): boolean {
    return Boolean(this.now?.isOpen && !this.#next);
  }

  /** Opens the present wire, or the next one when there is a present one. */
  open(transport: Transport, isShort: boolean): void {
    const attempt = new Attempt(transport, isShort, this.options, this.upper, this);
    if (this.now) this.#next = attempt;
    else this.now = attempt;
  }

  drop(code: number): void {
    this.now?.close(code);
    this.#next?.close(DETACH);
    this.now = this.#next = undefined;
    this.#held = [];
  }

  received(attempt: Attempt, data: string | ArrayBuffer): void {
    this.#swapTo(attempt);
    this.heard();
    if (this.#next) this.#held.push(data);
    else this.upper.received(data);
  }

  heard(): void {
    this.owner.heard();
  }

  ended(attempt: Attempt, end: WireEnd): void {
    if (attempt === this.#next) return this.#stay();
    if (this.#next) {
      this.#swapTo(this.#next);
      this.owner.replaced();
    } else {
      this.drop(DETACH);
      this.owner.ended(attempt, end);
    }
  }

  /** The next wire speaks: the server has cut the present one. */
  #swapTo(attempt: Attempt): void {
    if (attempt !== this.#next) return;
    this.now?.close(DETACH);
    this.now = attempt;
    this.#next = undefined;
    this.#held = [];
  }

  /** The next wire did not open: the present one goes on. */
  #stay(): void {
    this.#next?.close(DETACH);
    this.#next = undefined;
    for (const data of this.#held.splice(0)) this.upper.received(data);
    this.upper.writable();
    this.owner.stayed();
  }
}
