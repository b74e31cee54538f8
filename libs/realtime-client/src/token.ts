/** The user's token: kept until the server refuses it, or says that it expires. */

/** Why a token is asked for. */
export type TokenReason = 'connect' | 'refused' | 'expires';

/** Returns a token, or undefined for a client without one. It throws `UnauthorizedError` when the user is logged out. */
export type TokenSource = string | ((why: { reason: TokenReason }) => string | undefined | Promise<string | undefined>);

export class Token {
  #kept: Promise<string | undefined> | undefined;
  #reason: TokenReason = 'connect';

  constructor(private readonly source: TokenSource | undefined) {}

  /** Whether there can be another one. */
  get isRenewable(): boolean {
    return typeof this.source === 'function';
  }

  /** @throws the error of the callback; it is asked again the next time */
  get(): Promise<string | undefined> {
    this.#kept ??= this.#ask().catch((error: unknown) => {
      this.renew(this.#reason);
      throw error;
    });
    return this.#kept;
  }

  /** The next call asks again. */
  renew(reason: TokenReason): void {
    this.#kept = undefined;
    this.#reason = reason;
  }

  async #ask(): Promise<string | undefined> {
    const { source } = this;
    return typeof source === 'function' ? source({ reason: this.#reason }) : source;
  }
}
