/** Notices a server that is gone though the wire says nothing: a quiet wire is asked, and has to answer. */
import type { Environment } from './environment.js';

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 5000;
/** A timer that comes this much later than it should: the machine slept, or the page was frozen. */
const LATE_MS = 2000;

export class Liveness {
  #pingMs = 0;
  #heardAt = 0;
  #isAsked: boolean | undefined;
  #cancel: (() => void) | undefined;

  /**
   * @param ask asks the server for a sign of life
   * @param dead called when none came
   */
  constructor(
    private readonly environment: Environment,
    private readonly ask: () => void,
    private readonly dead: () => void,
  ) {}

  /** @param pingMs the server's own ping time; 0: the server cannot be asked */
  start(pingMs: number): void {
    this.#pingMs = pingMs;
    this.#heardAt = this.environment.time();
    this.#watch();
  }

  stop(): void {
    this.#pingMs = 0;
    this.#cancel?.();
  }

  heard(): void {
    this.#heardAt = this.environment.time();
    this.#isAsked = false;
  }

  /** Asks now: the network may have changed. */
  check(): void {
    if (!this.#pingMs) return;
    const askedAt = this.environment.time();
    this.#isAsked = true;
    this.ask();
    this.#after(ANSWER_MS, () => {
      if (!this.#isAsked) this.#watch();
      else if (this.environment.time() - askedAt > ANSWER_MS + LATE_MS) this.check();
      else this.dead();
    });
  }

  #watch(): void {
    if (!this.#pingMs) return;
    const quietMs = this.#pingMs * 1.5 - (this.environment.time() - this.#heardAt);
    if (quietMs <= 0) this.check();
    else this.#after(quietMs, () => this.#watch());
  }

  #after(ms: number, task: () => void): void {
    this.#cancel?.();
    this.#cancel = this.environment.after(ms, task);
  }
}
