import type { CloseInitiator } from '../close-info.js';
import type { LimitCounts } from '../limits/limits.js';

/** What `RealtimeServer.stats()` tells. Counters count from the start of the process. */
export interface Stats {
  /** When the module started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Open connections. */
  readonly current: number;
  /** Handshakes that became connections. */
  readonly accepted: number;
  /** Handshakes that were refused, whatever the status, and further requests of SSE and polling connections. */
  readonly refused: number;
  /** Connections that ended, by who ended them. */
  readonly closed: Readonly<Record<CloseInitiator, number>>;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Payload bytes. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Hooks that threw. */
  readonly hookErrors: number;
  /** Messages that were answered with an error frame because of what the client sent. */
  readonly messageErrors: number;
  /** Times a client's socket was not read because its hooks were behind. */
  readonly pauses: number;
  /** Messages that were dropped for clients that were too slow. */
  readonly dropped: number;
  /** Clients that are too slow at the moment. */
  readonly slow: number;
  /** Handshakes under way. */
  readonly unfinished: number;
  /** How often each bound was reached. */
  readonly limits: LimitCounts;
  readonly rooms: number;
  readonly users: number;
}

/** The counters of one node. */
export class Counters {
  readonly startedAt = Date.now();
  accepted = 0;
  refused = 0;
  readonly closed: Record<CloseInitiator, number> = {
    client: 0,
    server: 0,
    heartbeat: 0,
    limit: 0,
    shutdown: 0,
    error: 0,
  };
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  hookErrors = 0;
  messageErrors = 0;
  pauses = 0;
  dropped = 0;
}
