/** What the connector needs of the socket above it. */
import type { State } from './state.js';

export interface Upper {
  hello(): string;
  session(): string | undefined;
  authenticate(): string | undefined | Promise<string | undefined>;
  /** The server does not speak `realtime.v1`: there is no `rt:open`. */
  openedPlain(): void;
  received(data: string | ArrayBuffer): void;
  acknowledged(n: number): void;
  /** What waits may be sent. */
  writable(): void;
  /** The connection has ended on the server. */
  forget(): void;
  changed(state: State): void;
}
