/** What the connector needs of the socket above it. */
import type { State } from './state.js';

export interface Upper {
  hello(): string;
  /** The session's secret, when there is a session. */
  secret(): string | undefined;
  authenticate(): string | undefined | Promise<string | undefined>;
  received(data: string | ArrayBuffer): void;
  acknowledged(n: number): void;
  /** What waits may be sent. */
  writable(): void;
  /** The connection has ended on the server. */
  forget(): void;
  changed(state: State): void;
}
