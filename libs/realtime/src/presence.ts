/** Who is in a room, once per user: what the application sees of it, and what the nodes say to each other about it. */
import type { Channel } from './command.js';

/** One user of a room, over all nodes. */
export interface PresentUser {
  readonly id: string;
  /** What `connection.present()` said last on any connection of the user; a copy. */
  readonly state?: unknown;
  /** Since when the user has been in the room without a break, in milliseconds since 1970 by this node's clock. */
  readonly since: number;
  /** How many connections of the user are in the room, those included that were lost within the grace time. */
  readonly connections: number;
}

/** What happened to a user in a room; `onPresence` gets it. */
export class PresenceChange {
  constructor(
    /** `join`: the first connection of the user came. `update`: the state changed. `leave`: the last one has gone. */
    readonly kind: 'join' | 'update' | 'leave',
    readonly room: string,
    readonly userId: string,
    /** The state of the user after the change; for `leave`, the last one. */
    readonly state: unknown,
    /** True on the node that made the change: what has to happen once for all nodes happens there. */
    readonly isLocal: boolean,
  ) {}
}

/** A user in the part of one node: `change` counts the changes of the state over all nodes, the highest one counts. */
export type PresenceRow = readonly [user: string, connections: number, state: unknown, ageMs: number, change: number];

/** What has changed in the part of one node. Published on the channel of the room. */
export interface PresenceDelta {
  readonly kind: 'delta';
  readonly room: string;
  /** The version of the part after the change; one above the last one. */
  readonly v: number;
  /** True when `set` is the whole part: it was empty before. */
  readonly isWhole: boolean;
  readonly set: readonly PresenceRow[];
  /** Users that are gone, and the number of that change. */
  readonly del: readonly (readonly [user: string, change: number])[];
}

/** A question for the parts of one node, with the versions that are known of them; 0: none. */
export interface PresenceAsk {
  readonly kind: 'ask';
  readonly id: number;
  readonly rooms: readonly (readonly [room: string, v: number])[];
}

/** One frame of the answer. A part that is too long for one frame goes on in the next one, with the same version. */
export interface PresenceFull {
  readonly kind: 'full';
  /** That of the question. */
  readonly id: number;
  /** Counts the frames of the answer from 0. */
  readonly part: number;
  readonly hasMore: boolean;
  /** A version that no part of this node exceeds: what was asked about and is in no list is empty as of then. */
  readonly top: number;
  readonly rooms: readonly { readonly room: string; readonly v: number; readonly users: readonly PresenceRow[] }[];
  /** The places in the question of the rooms whose known version is right. */
  readonly same: readonly number[];
}

/** The part of a node that has gone, or is about to, for those who did not know it: its users may be on their way back. */
export interface PresenceHeld {
  readonly kind: 'held';
  readonly node: string;
  /** How long its users still count. */
  readonly holdMs: number;
  readonly rooms: PresenceFull['rooms'];
}

/** What a node says to another one about presence. */
export type PresenceMessage = PresenceDelta | PresenceAsk | PresenceFull | PresenceHeld;

/** What a node announces: the rooms whose parts have changed, as (key, version), or that they were too many to list. */
export type PresenceVersions = 'many' | readonly (readonly [key: string, v: number])[];

/** The way to the presence of other nodes. */
export interface PresenceLink {
  /** As `Broker.hold`. */
  hold(channel: Channel): Promise<unknown> | undefined;
  release(channel: Channel): void;
  /** Publishes on the channel of a room or of a node. Resolves also when it failed: a loss is noticed and made good. */
  share(channel: Channel, message: PresenceMessage): Promise<void>;
}

/** The presence of this node, as the way to the others sees it. No method throws. */
export interface PresenceSink {
  /** Another node has said something. */
  received(from: string, message: PresenceMessage): void;
  /** Another node has announced what has changed. */
  announced(from: string, versions: PresenceVersions): void;
  /** What this node has to announce; undefined when nothing has changed. */
  versions(): PresenceVersions | undefined;
  /** A node has come, or come back. */
  came(node: string): void;
  /** A node has been silent for too long. */
  lost(node: string): void;
  /** A node has stopped. */
  left(node: string): void;
  up(): void;
  down(): void;
  /** Messages on these channels may have been lost. */
  gap(channels: readonly Channel[] | 'all'): void;
}
