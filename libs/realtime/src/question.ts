/**
 * Questions to the nodes about their connections, and orders to one connection. They are plain data, as a Command is,
 * because the answer may come from another node. Road OUT, step 6.
 */
import type { Action, Channel } from './command.js';
import type { ConnectionInfo } from './connection.js';
import type { PresenceRow } from './presence.js';
import type { Stats } from './stats.js';

/** What became of a push or an order. */
export interface Reached {
  /**
   * The nodes that are not known to have it: their ids, or `*` for all others while the broker is away. Empty: an order
   * was obeyed by every node; a push has reached the members on this node, and the broker for the others.
   */
  readonly missing: readonly string[];
  /** Where a push stands in the history of its room; only for rooms and users that have one. */
  readonly position?: string;
  /** True for a push whose `key` was known: it was not published again, and the position is that of the first. */
  readonly isRepeated?: boolean;
}

/** What other nodes answered. */
export interface Asked<A> {
  /** The answers by the ids of the nodes. */
  readonly answers: ReadonlyMap<string, A>;
  /** The nodes that did not answer in time: their ids, or `*` for all others while the broker is away. */
  readonly missing: readonly string[];
}

const NOT_MISSING: readonly string[] = Object.freeze([]);

/** What a push or a question reaches while the broker is away. */
export const ONLY_HERE: Reached = Object.freeze({ missing: Object.freeze(['*']) });

export const EVERYWHERE: Reached = Object.freeze({ missing: NOT_MISSING });

/** The answers where there is no other node. */
export const NOBODY_ELSE: Asked<never> = Object.freeze({ answers: new Map<string, never>(), missing: NOT_MISSING });

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it as `after` to get the next page; undefined on the last page. */
  readonly next?: string;
  /** Nodes that have not answered in time, if there are any. `*`: all others, the broker is away. */
  readonly missing?: readonly string[];
}

/** One connection of a room or user. It is plain data, because the connection may be on another node. */
export interface Member {
  /** The connection's id. */
  readonly id: string;
  readonly userId?: string;
}

/** The members that were found. */
export interface Members extends ReadonlyArray<Member> {
  /** Nodes that have not answered in time, if there are any. `*`: all others, the broker is away. */
  readonly missing?: readonly string[];
}

/** How exact an answer has to be. */
export interface AskOptions {
  /** True: rejects with `incomplete` when a node has not answered in time. Default: false, what the others know. */
  readonly exact?: boolean;
}

/** What each kind of question contains. */
interface Questions {
  /** Orders one connection to do something. `except`: not if it is in one of these channels */
  readonly order: { readonly id: string; readonly action: Action; readonly except?: readonly Channel[] };
  readonly exists: { readonly id: string };
  readonly info: { readonly id: string };
  /** `after` is a connection id, of this node or of another one. */
  readonly list: { readonly after?: string; readonly limit: number };
  readonly members: { readonly channel: Channel; readonly except: readonly Channel[] };
  readonly count: { readonly channel: Channel; readonly except: readonly Channel[] };
  /** Asks the guards of a user's connections again. */
  readonly recheck: { readonly userId: string };
  readonly stats: object;
  /** The users of a room after this one. */
  readonly presence: { readonly room: string; readonly after?: string; readonly limit: number };
  /** How many users are in a room. */
  readonly users: { readonly room: string };
}

/** The answer to each kind of question. */
interface Answers {
  /** False when no such connection exists, or it did not take the order. */
  readonly order: boolean;
  readonly exists: boolean;
  readonly info: ConnectionInfo | undefined;
  readonly list: Omit<Page<ConnectionInfo>, 'missing'>;
  readonly members: readonly Member[];
  readonly count: number;
  readonly recheck: RecheckCounts;
  readonly stats: Stats;
  readonly presence: { readonly users: readonly PresenceRow[]; readonly hasMore: boolean };
  readonly users: number;
}

/** What `RealtimeServer.recheck()` has done. */
export interface Rechecked {
  /** How many connections were checked; one that has no guards may stay. */
  readonly checked: number;
  /** How many of them were refused, and are closed with 4501. */
  readonly closed: number;
  /** Nodes that have not finished in time, if there are any; they go on. `*`: all others, the broker is away. */
  readonly missing?: readonly string[];
}

/** What one node has done of that. */
export interface RecheckCounts extends Omit<Rechecked, 'missing'> {
  /** How many could not be checked, because their requests were not kept. */
  readonly notKept: number;
}

export type QuestionKind = keyof Questions;

/** The questions that the node of one connection answers. */
export type OwnerQuestionKind = 'order' | 'exists' | 'info';

/** A question. */
export type Question<K extends QuestionKind = QuestionKind> = {
  readonly [Q in K]: { readonly kind: Q } & Questions[Q];
}[K];

/** The answer to a question of one kind. */
export type Answer<K extends QuestionKind> = Answers[K];
