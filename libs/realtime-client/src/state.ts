import type { Transport } from './wire.js';

/** The state of a connection: an object that never changes, so that two of them can be compared by identity. */
export type State =
  | { readonly status: 'connecting'; /** How many attempts failed before. */ readonly attempt: number }
  | {
      readonly status: 'open';
      readonly transport: Transport;
      /** The connection's id on the server; undefined on a server that does not speak `realtime.v1`. */
      readonly id: string | undefined;
      /** True when it is the connection from before, and nothing was missed. */
      readonly isResumed: boolean;
    }
  | {
      readonly status: 'waiting';
      readonly attempt: number;
      /** When the next attempt begins, in milliseconds since 1970; undefined: when the device is online again. */
      readonly retryAt: number | undefined;
      /** Why there is no connection, in words. */
      readonly reason: string;
    }
  | {
      readonly status: 'closed';
      /** The close code; 4501 also for a refusal with 401 or 403. */
      readonly code: number;
      /** Why it is closed, in words. */
      readonly reason: string;
    };
