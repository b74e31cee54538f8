/**
 * The present wire, and the one that takes its place: the next is opened while the present one still works. Who sends
 * a hello is deaf to the wire before it, so what arrives there meanwhile is held, and only handled when the next fails.
 */
import { Attempt, type AttemptOptions, type AttemptOwner } from './attempt.js';
import { Liveness } from './liveness.js';
import type { Upper } from './upper.js';
import { DETACH, LOST, type Transport, type WireEnd } from './wire.js';

const PING = '{"event":"rt:ping"}';

/** What the wires tell the connector. */
export interface WiresOwner extends Upper {
  /** The next wire did not open: the present one goes on. */
  stayed(): void;
  /** The present wire has ended, or was not opened, and there is no next. */
  ended(attempt: Attempt, end: WireEnd): void;
}

export class Wires implements AttemptOwner {
  present: Attempt | undefined;
  /** Of the present wire. */
  readonly liveness: Liveness;
  #next: Attempt | undefined;
  #held: (string | ArrayBuffer)[] = [];

  constructor(
    private readonly target: AttemptOptions,
    private readonly owner: WiresOwner,
  ) {
    const ping = () => this.present!.write(PING);
    this.liveness = new Liveness(target.environment, ping, () => this.#over(this.present!, LOST));
  }

  /** Whether messages may be sent. */
  get isWritable(): boolean {
    return Boolean(this.present?.isOpen && !this.#next);
  }

  /** Opens the present wire, or the next one when there is a present one. */
  dial(transport: Transport, isShort?: boolean): void {
    const attempt = new Attempt(transport, isShort, this.target, this.owner, this);
    if (this.present) this.#next = attempt;
    else this.present = attempt;
  }

  drop(code: number): void {
    this.liveness.stop();
    this.present?.closeWith(code);
    this.#next?.closeWith(DETACH);
    this.present = this.#next = undefined;
    this.#held = [];
  }

  received(attempt: Attempt, data: string | ArrayBuffer): void {
    this.#swapTo(attempt);
    this.liveness.heard();
    if (this.#next) this.#held.push(data);
    else this.owner.received(data);
  }

  ended(attempt: Attempt, end: WireEnd): void {
    if (attempt === this.#next) return this.#stay();
    if (this.#next) {
      this.#swapTo(this.#next);
      this.liveness.stop();
    } else this.#over(attempt, end);
  }

  #over(attempt: Attempt, end: WireEnd): void {
    this.drop(DETACH);
    this.owner.ended(attempt, end);
  }

  /** The next wire speaks: the server has cut the present one. */
  #swapTo(attempt: Attempt): void {
    if (attempt !== this.#next) return;
    this.present?.closeWith(DETACH);
    this.present = attempt;
    this.#next = undefined;
    this.#held = [];
  }

  /** The next wire did not open: the present one goes on. */
  #stay(): void {
    this.#next?.closeWith(DETACH);
    this.#next = undefined;
    for (const data of this.#held.splice(0)) this.owner.received(data);
    this.owner.writable();
    this.owner.stayed();
  }
}
