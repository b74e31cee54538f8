import type { CloseInitiator } from '../close-info.js';
import type { LimitCounts } from '../limits/limits.js';

/** What `RealtimeServer.stats()` returns. Counters start at zero when the module starts. */
export interface Stats {
  /** When the module started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Open connections. */
  readonly current: number;
  /** Connections that were opened. */
  readonly accepted: number;
  /** Handshakes that were refused, whatever the status, and refused further requests of SSE and polling connections. */
  readonly refused: number;
  /** Connections that ended, by the initiator. */
  readonly closed: Readonly<Record<CloseInitiator, number>>;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** Payload bytes that were received. */
  readonly bytesIn: number;
  /** Payload bytes that were sent. */
  readonly bytesOut: number;
  /** Runs of hooks that failed. */
  readonly hookErrors: number;
  /** Messages that were answered with an error frame because the client made a mistake. */
  readonly messageErrors: number;
  /** How often a client's socket was paused because its hooks were behind. */
  readonly pauses: number;
  /** Messages that were dropped for clients that were too slow. */
  readonly dropped: number;
  /** Clients that are behind at the moment. */
  readonly slow: number;
  /** Handshakes under way. */
  readonly unfinished: number;
  /** How often each limit was reached. */
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
