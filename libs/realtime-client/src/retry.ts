/** When the next attempt begins: exponential backoff with full jitter, never sooner than the server wants. */
import type { Environment } from './environment.js';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;

export class Retry {
  /** How many attempts have failed, or ended soon. */
  attempts = 0;
  #notBefore = 0;
  #cancel: (() => void) | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly task: () => void,
  ) {}

  /**
   * Waits for the next attempt.
   *
   * @param hintMs the time that the server asked for
   * @returns when it begins, in milliseconds since 1970; undefined: when the device is online again
   */
  wait(hintMs: number): number | undefined {
    const { environment } = this;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.attempts++);
    this.#notBefore = environment.time() + hintMs;
    if (environment.page?.navigator?.onLine === false) return undefined;
    return this.#at(this.#notBefore + environment.random() * longest);
  }

  /** Begins at once, but never sooner than the server wants. @returns when */
  wake(): number {
    return this.#at(Math.max(this.environment.time(), this.#notBefore));
  }

  stop(): void {
    this.#cancel?.();
  }

  #at(time: number): number {
    this.#cancel?.();
    this.#cancel = this.environment.after(time - this.environment.time(), this.task);
    return time;
  }
}
