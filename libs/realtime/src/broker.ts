/**
 * Road OUT, step 7: the way to the other nodes, for commands, for questions, and for the subscriptions that let this node
 * hear of what concerns its members.
 *
 * - A command MUST reach every node that has members of its channel, this one included, or the answer names who missed it.
 * - Commands that one node publishes to one channel MUST be delivered in the order in which they were published.
 * - Nothing here rejects because another node or the engine is slow or away: the answers say who is `missing`.
 */
import type { Awaitable } from './awaitable.js';
import type { Channel, Command } from './command.js';
import type { HistoryEvents, PushHistory } from './history.js';
import type { Answer, Asked, Question, QuestionKind, Reached } from './question.js';
import type { PresenceMessage, PresenceSink } from './presence.js';
import type { Relays } from './relay.js';
import type { BrokerStats } from './stats.js';

/** What a broker needs of its own node. */
export interface LocalNode {
  /** The first part of the ids of its connections. */
  readonly id: string;
  /**
   * Applies a command to its members here. Never throws.
   *
   * @param hasPlace false for an order that did not come among the pushes to its channel. Default: true
   * @returns a promise where it waits for its place in a room with history: resolves when it is applied, never rejects
   */
  deliver(command: Command, hasPlace?: boolean): Promise<void> | void;
  /** Answers another node. @throws RealtimeError depending on the question */
  answer<K extends QuestionKind>(question: Question<K>): Awaitable<Answer<K>>;
  /** How many members a channel has here. */
  size(channel: Channel): number;
  /** Who is in its rooms. Default: no room has presence. */
  readonly presence?: PresenceSink;
  /** What it says of itself to the others. */
  facts(): NodeFacts;
  /** Undefined where no room has a history. */
  readonly history?: HistoryEvents;
}

/** How much a node has to do. */
export interface NodeFacts {
  readonly connections: number;
  readonly rooms: number;
  readonly users: number;
}

/** Another node, as it has announced itself. */
export interface OtherNode extends NodeFacts {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** When it started, in milliseconds since 1970 by its own clock. */
  readonly startedAt: number;
}

export abstract class Broker {
  /** Shown in the boot table and in log lines: without user name and password. */
  abstract readonly name: string;
  /** False for the broker of a single node: there are no others to wait for, or to ask. */
  abstract readonly isShared: boolean;
  /** The way for requests of SSE and polling clients to the nodes of their connections. Default: none, as on one node. */
  readonly relays?: Relays;
  /** True while pushes and questions do not reach other nodes, or may not. */
  abstract readonly isDegraded: boolean;
  /** Keeps the last pushes to rooms; undefined when this broker cannot. MUST be set when `start` has resolved. */
  readonly history?: PushHistory;
  /** Called once, at boot. @throws OptionsError when it cannot work as it is set */
  abstract start(local: LocalNode): Promise<void>;
  /**
   * Hands a command to every node that has members of its channel.
   *
   * @throws RealtimeError for a command that cannot be carried: `too_big` or a bad name
   */
  abstract publish(command: Command): Awaitable<Reached>;
  /**
   * Called for each member that enters a channel on this node.
   *
   * @returns undefined when nothing has to be waited for; else resolves when the subscription is confirmed, or its time
   *   is over; never rejects
   */
  abstract hold(channel: Channel): Promise<unknown> | undefined;
  /** Called for each member that leaves a channel on this node. */
  abstract release(channel: Channel): void;
  /** Subscribes for members that are to come within a second. @returns as `hold` */
  abstract prepare(channels: readonly Channel[]): Promise<unknown> | undefined;
  /**
   * Asks other nodes.
   *
   * @param to one node; default: all others. One that does not exist has no answer, and is not missing
   * @throws RealtimeError when a node refuses: the error that it would have thrown itself
   */
  abstract ask<K extends QuestionKind>(question: Question<K>, to?: string): Awaitable<Asked<Answer<K>>>;
  /**
   * Publishes something about presence on the channel of a room, of one node (`n:<id>`) or of all (`n:*`). Resolves also
   * when it failed: a loss is noticed by those who hear what comes next.
   */
  abstract share(channel: Channel, message: PresenceMessage): Promise<void>;
  /** The other nodes that are known, in the order of their ids. */
  abstract nodes(): readonly OtherNode[];
  abstract stats(): BrokerStats;
  /** Called once, after the last connection has ended. */
  abstract stop(): Promise<void>;
}
