/** What the connector needs of the socket above it. */
import type { Session } from './session.js';

export interface Upper {
  /** @param bearer the token, with which it has to share a line */
  hello(bearer?: string): string;
  readonly ledger: Pick<Session, 'secret'>;
  firstMessage(): string | undefined | Promise<string | undefined>;
  received(data: string | ArrayBuffer): void;
  acknowledged(n: number): void;
  /** What waits may be sent. */
  writable(): void;
}
