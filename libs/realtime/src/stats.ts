/** What a node counts. */
import type { CloseInitiator } from './close-info.js';
import type { LimitCounts } from './limits/limits.js';

/** What `RealtimeServer.stats()` returns. Counters start at zero when the module starts. */
export interface Stats {
  /** When the module started, in milliseconds since 1970. */
  readonly startedAt: number;
  /** Open connections. */
  readonly current: number;
  /** Open connections of client libraries that have lost their wire and may still come back. */
  readonly detached: number;
  /** Connections that were opened. */
  readonly accepted: number;
  /** How often a connection of a client library has gone on over another wire. */
  readonly resumed: number;
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
  /** Users whom this node lists as present, for each room once. */
  readonly present: number;
  /** Rooms with history. */
  readonly history: HistoryStats;
  /** The way to the other nodes. */
  readonly broker: BrokerStats;
}

/** What a node counts of rooms with history. Without such rooms everything is zero. */
export interface HistoryStats {
  /** Rooms and users with history that have members on this node. */
  readonly rooms: number;
  /** Pushes of this node that were kept. */
  readonly appended: number;
  /** Pushes of this node that were not published again, because their key was known. */
  readonly repeated: number;
  /** Pushes of this node that rejected: the broker was away, or did not answer in time. */
  readonly rejected: number;
  /** How often this node has read a room, to find what its members had missed. */
  readonly reads: number;
  /** Clients that came back to a room, and got everything that they had missed. */
  readonly recovered: number;
  /** Clients that came back to a room, and were told that something is missing. */
  readonly notRecovered: number;
  /** How often a member of a room was told that something is missing. */
  readonly gaps: number;
  /** The bytes of the last entries that this node keeps at hand for its members. */
  readonly tailBytes: number;
  /** Entries and rooms that were forgotten before their time, because all rooms together were too big (`memory` only). */
  readonly evicted: number;
}

/** The counters of rooms with history. */
export class HistoryCounts {
  appended = 0;
  repeated = 0;
  rejected = 0;
  recovered = 0;
  notRecovered = 0;
  gaps = 0;
}

/** What a node without such rooms counts of them. */
export const NO_HISTORY: HistoryStats = {
  ...new HistoryCounts(),
  rooms: 0,
  reads: 0,
  tailBytes: 0,
  evicted: 0,
};

/** What a node counts of the way to the other nodes. Over `memory` everything but the name stays at zero. */
export interface BrokerStats {
  readonly name: string;
  /** True while pushes and questions do not reach other nodes, or may not. */
  readonly isDegraded: boolean;
  /** How many other nodes are known. */
  readonly nodes: number;
  /** How many channels are subscribed, or about to be. */
  readonly channels: number;
  /** How long a message to itself took last, in milliseconds; 0 before the first. */
  readonly lagMs: number;
  /** Frames that were published. */
  readonly published: number;
  /** Frames that were received, this node's own included. */
  readonly received: number;
  /** Received frames that were dropped because they were not valid. */
  readonly dropped: number;
  /** Pushes of this node that only its own members got, because the engine was away or too slow. */
  readonly localOnly: number;
  /** Copies of such pushes that came later and were dropped. */
  readonly late: number;
  /** How often messages may have been lost between the nodes. */
  readonly gaps: number;
  /** How often this node has cut off another worker of its host, because it was too slow or silent. */
  readonly cuts: number;
  /** Orders that were given up before every node had obeyed them. */
  readonly ordersDropped: number;
  /** Questions that were not asked, because too many were waiting. */
  readonly questionsDropped: number;
  /** Nodes that did not answer a question in time, or not to an order; counted for each. */
  readonly unanswered: number;
  /** Nodes that were ignored, because too many were known. */
  readonly nodesIgnored: number;
  /** Responses to clients of SSE and polling that this node serves for another one, or another one for it. */
  readonly relays: number;
  /** Such responses that were refused, because there were too many. */
  readonly relaysRefused: number;
  /** Such responses that were cut, because a node or the broker was away. */
  readonly relaysCut: number;
}

/** @returns the statistics of a broker; what is not given is zero */
export const brokerStats = (name: string, given: Partial<BrokerStats> = {}): BrokerStats => ({
  ...{ name, isDegraded: false, nodes: 0, channels: 0, lagMs: 0, published: 0, received: 0, dropped: 0, localOnly: 0 },
  ...{ late: 0, gaps: 0, cuts: 0, ordersDropped: 0, questionsDropped: 0, unanswered: 0, nodesIgnored: 0 },
  ...{ relays: 0, relaysRefused: 0, relaysCut: 0 },
  ...given,
});

/** The counters of one node. */
export class Counters {
  readonly startedAt = Date.now();
  accepted = 0;
  resumed = 0;
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
