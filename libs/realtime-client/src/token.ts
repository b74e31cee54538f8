/** The user's token: kept until the server refuses it, or says that it expires. */

/** Why a token is asked for. */
export type TokenReason = 'connect' | 'refused' | 'expires';

/** Returns a token, or undefined for a client without one. It throws `UnauthorizedError` when the user is logged out. */
export type TokenSource = string | ((why: { reason: TokenReason }) => string | undefined | Promise<string | undefined>);

export class Token {
  #kept: Promise<string | undefined> | undefined;
  #reason: TokenReason = 'connect';

  constructor(private readonly source: TokenSource | undefined) {}

  /** @throws the error of the callback; it is asked again the next time */
  get(): Promise<string | undefined> {
    return (this.#kept ??= this.#ask().catch((error: unknown) => {
      this.#kept = undefined;
      throw error;
    }));
  }

  /** The next call asks again. @returns whether there can be another one */
  renew(reason: TokenReason): boolean {
    this.#kept = undefined;
    this.#reason = reason;
    return typeof this.source === 'function';
  }

  async #ask(): Promise<string | undefined> {
    const { source } = this;
    return typeof source === 'function' ? source({ reason: this.#reason }) : source;
  }
}
