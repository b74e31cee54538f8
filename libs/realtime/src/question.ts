/**
 * Questions to the nodes about their connections, and orders to one connection. They are plain data, as a Command is,
 * because the answer may come from another node. Road OUT, step 6.
 */
import type { Action, Channel } from './command.js';
import type { ConnectionInfo } from './connection.js';

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it as `after` to get the next page; undefined on the last page. */
  readonly next?: string;
}

/** One connection of a room or user. It is plain data, because the connection may be on another node. */
export interface Member {
  /** The connection's id. */
  readonly id: string;
  readonly userId?: string;
}

/** What each kind of question contains. */
interface Questions {
  /** Orders one connection to do something. */
  readonly order: { readonly id: string; readonly action: Action };
  readonly exists: { readonly id: string };
  readonly info: { readonly id: string };
  /** `after` is a connection id, of this node or of another one. */
  readonly list: { readonly after?: string; readonly limit: number };
  readonly members: { readonly channel: Channel; readonly except: readonly Channel[] };
  readonly count: { readonly channel: Channel; readonly except: readonly Channel[] };
}

/** The answer to each kind of question. */
interface Answers {
  /** False when no such connection exists, or it did not take the order. */
  readonly order: boolean;
  readonly exists: boolean;
  readonly info: ConnectionInfo | undefined;
  readonly list: Page<ConnectionInfo>;
  readonly members: Member[];
  readonly count: number;
}

export type QuestionKind = keyof Questions;

/** A question. */
export type Question<K extends QuestionKind = QuestionKind> = {
  readonly [Q in K]: { readonly kind: Q } & Questions[Q];
}[K];

/** The answer to a question of one kind. */
export type Answer<K extends QuestionKind> = Answers[K];
