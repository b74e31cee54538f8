/** What nodes say to each other: one type for the body of each kind of frame. Road OUT, step 6. */
import type { Action, Channel } from '../command.js';
import type { Frame } from '../frame.js';
import type { Answer as AnswerTo, Question, QuestionKind } from '../question.js';
import type { NodeId } from './format.js';
import type { EntryPosition } from '../position.js';
import type { PresenceMessage, PresenceVersions } from '../presence.js';
import type { Done, Forward, RelayControl, RelayData } from './relays/relay-messages.js';
import type { Reads } from './versions.js';

/** What an order does: every action but a push. */
export type OrderedAction = Exclude<Action, { kind: 'push' }>;

/** An order to the members of a channel, or to one connection. Each node obeys it once, and says so. */
export interface Order {
  /** The same when the order is repeated. Orders and questions of one node are counted together, from 1. */
  readonly id: number;
  /** A room, user, path, everyone or connection. */
  readonly to: Channel;
  readonly action: OrderedAction;
}

/** A question to a node. */
export interface Ask {
  /** As for orders; undefined: nobody waits for the answer. */
  readonly id?: number;
  readonly question: Question;
}

/** What `Answer` and `Obeyed` refer to: the `id` of the question or the order. */
interface Reply {
  readonly id: number;
}

/** A node has obeyed an order, or has no members to obey it. */
export interface Obeyed extends Reply {
  readonly kind: 'obeyed';
}

/** A node cannot answer. */
export interface Failed extends Reply {
  readonly kind: 'failed';
  /** The code of a RealtimeError. */
  readonly code: string;
  readonly message: string;
}

/** The answer to a question, or one part of it: a list that is too long for one frame comes in parts. */
export type Answered = {
  readonly [K in QuestionKind]: Reply & {
    readonly kind: K;
    readonly value: AnswerTo<K>;
    /** Counts the parts from 0. */
    readonly part: number;
    /** True when another part follows. */
    readonly hasMore: boolean;
  };
}[QuestionKind];

export type Answer = Obeyed | Failed | Answered;

/** What a node says of itself, at its start and every few seconds. */
export interface Announcement {
  readonly reads: Reads;
  /** When it started, in milliseconds since 1970 by its own clock. */
  readonly startedAt: number;
  readonly host: string;
  readonly pid: number;
  readonly connections: number;
  readonly rooms: number;
  readonly users: number;
  /** Rises when its relays with all nodes have ended, because frames may have been lost. Default: 0. */
  readonly era?: number;
  /** The rooms whose parts have changed during the last periods: of each the key and the version. Default: none. */
  readonly presence?: PresenceVersions;
}

/** A frame that a node sends to itself, to see that the way through the broker is open. */
export interface Probe {
  readonly id: number;
}

/** The body of a frame, by its kind. */
export type WireMessage =
  | { readonly kind: 'push'; readonly frame: Frame; readonly isVolatile: boolean }
  | { readonly kind: 'order'; readonly order: Order }
  | { readonly kind: 'ask'; readonly ask: Ask }
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'announce'; readonly announcement: Announcement }
  | { readonly kind: 'leave' }
  | { readonly kind: 'probe'; readonly probe: Probe }
  | { readonly kind: 'forward'; readonly forward: Forward }
  | { readonly kind: 'done'; readonly done: Done }
  | { readonly kind: 'relay'; readonly relay: RelayControl }
  | { readonly kind: 'relayData'; readonly data: RelayData }
  | { readonly kind: 'presence'; readonly presence: PresenceMessage };

/** A message and its address. */
export interface WireFrame {
  readonly from: NodeId;
  /** Rises with every frame of the node; 1 to 2^48 - 1. */
  readonly counter: number;
  /** Where it is published: a room, user, path, everyone, `n:<node>` or `n:*`. */
  readonly channel: Channel;
  /** For a push and an order: members that are also in one of these channels are left out. */
  readonly except: readonly Channel[];
  readonly message: WireMessage;
  /** Its place in a history, written by the engine. */
  readonly position?: EntryPosition;
}
