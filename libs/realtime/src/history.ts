/** The last entries of rooms, kept by an engine. What is appended is published by the same act. Road OUT, step 7. */
import type { Awaitable } from './awaitable.js';
import type { Channel } from './command.js';
import type { Frame } from './frame.js';
import { before, type EntryPosition, placeOf, type Position, samePosition } from './position.js';
import type { Place } from './transport.js';

/** What a history keeps: the bytes of a frame, or in this process the message itself. */
export interface HistoryMessage {
  /** The length in bytes. Bounds count it. */
  readonly size: number;
  /** Called only by an engine outside this process. */
  bytes(): Buffer;
}

/** The frame of an entry as an engine outside this process returned it, without its position. */
export class StoredBytes implements HistoryMessage {
  constructor(private readonly frame: Buffer) {}

  get size(): number {
    return this.frame.length;
  }

  bytes(): Buffer {
    return this.frame;
  }
}

export interface Entry<M extends HistoryMessage = HistoryMessage> {
  readonly position: EntryPosition;
  readonly message: M;
}

/** How an entry is kept. */
export interface HistoryRules {
  /** The most entries of the room; at least 1. */
  readonly size: number;
  /** How long the entries are kept after the last append to the room, in seconds. */
  readonly age: number;
  /** Within 5 minutes a second append to the room with the same key appends and publishes nothing. */
  readonly key?: string;
}

export interface Appended {
  /** For a repeated key that of the first append. */
  readonly position: Position;
  readonly previous: Position;
  /** True when the key was known, so that nothing was published. */
  readonly repeated: boolean;
}

/** Consecutive entries of a room. */
export interface HistoryWindow<M extends HistoryMessage = HistoryMessage> {
  /** The newest position of the room. */
  readonly top: Position;
  /** The position before the first entry; `top` when there is none. */
  readonly base: Position;
  readonly entries: readonly Entry<M>[];
}

/** How long a key is known, in milliseconds. */
export const KEY_MS = 300_000;
/** How much longer than its entries the newest position of a room is known, in milliseconds. */
export const DAY_MS = 86_400_000;

/**
 * Keeps and publishes the entries of rooms. Each call MUST settle within the deadline of the broker.
 *
 * - `append` MUST keep and publish in one act: what is delivered is in the history, in the same order.
 * - A room that is not known any more MUST begin with a tag that it never had before, also for an n of 0.
 */
export interface History {
  /**
   * Appends an entry and publishes it as `<n>.<tag>.<tag before> ` and the message.
   *
   * @throws RealtimeError `unavailable` or `refused`: nothing was kept; `unknown`: it may have been kept and published,
   *   and only with a `key` may it be repeated
   */
  append(channel: Channel, message: HistoryMessage, rules: HistoryRules): Promise<Appended>;
  /**
   * Reads a room. A room that is not known is created, so that its position holds from now on.
   *
   * @param after undefined: the newest entries; otherwise the first entries above this n
   * @param limit the most entries; fewer when they have more than 4 MiB
   * @throws RealtimeError `unavailable`, `refused` or `unknown`
   */
  read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow>;
  /**
   * Returns the newest position of each room; undefined for a room that is not known.
   *
   * @param renew true: the positions are then known for at least a day more. Default: false
   * @throws RealtimeError `unavailable`, `refused` or `unknown`
   */
  top(channels: readonly Channel[], renew?: boolean): Promise<readonly (Position | undefined)[]>;
}

/** The most bytes of entries that one read returns, but for one entry that is longer. */
export const MAX_READ_BYTES = 4 * 1024 * 1024;

/** @returns a window of the entries at the end that follow one another without a hole */
export function windowOf(top: Position, entries: readonly Entry[]): HistoryWindow {
  let start = Math.max(0, entries.length - 1);
  while (start > 0 && samePosition(before(entries[start]!.position), placeOf(entries[start - 1]!.position))) start--;
  const kept = entries.slice(start);
  return { top, base: kept.length > 0 ? before(kept[0]!.position) : top, entries: kept };
}

/** A push as a room keeps it, and as its members get it. */
export class KeptPush implements HistoryMessage {
  /** What is made of it once for all members on this node: by those who make it. */
  framed?: Frame;
  place?: Place;

  /**
   * @param frame undefined for what can no longer be read: it is not for anyone, but it has its place
   * @param except the channels whose members it is not for
   * @param size the bytes that it takes; default: those of the payload
   */
  constructor(
    readonly frame: Frame | undefined,
    readonly except: readonly Channel[],
    readonly size = frame?.size ?? 0,
  ) {}

  bytes(): Buffer {
    return Buffer.from(this.frame?.data ?? '');
  }

  /** The members have it: it is kept without what was made of it for the network. */
  delivered(): void {
    this.frame?.forget();
    this.framed?.forget();
  }
}

/** A push that is to be kept. */
export interface PushToKeep {
  readonly channel: Channel;
  readonly except: readonly Channel[];
  readonly frame: Frame;
}

/** The history that a broker has: of pushes, as `History` is of bytes. */
export interface PushHistory {
  /**
   * Appends a push and hands it to every node that has members of its channel, in one act; at once where the history is
   * in this process. @throws as `History.append`
   */
  append(push: PushToKeep, rules: HistoryRules): Awaitable<Appended>;
  /** As `History.read`. */
  read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow<KeptPush>>;
  readonly top: History['top'];
  /**
   * Resolves when the entries that were appended to a subscribed channel before this call have come. Default: they have,
   * as in one process. @throws as `History.read`
   */
  arrived?(channel: Channel): Promise<void>;
  /** True for a channel that is subscribed, so that its entries come. */
  isOn(channel: Channel): boolean;
  /** How many entries and rooms were forgotten before their time. Default: nobody knows, as with a store of others. */
  readonly evicted?: number;
}

/** What a broker reports of rooms with history to its own node. Nothing of it throws. */
export interface HistoryEvents {
  /** An entry has come. */
  entry(channel: Channel, entry: Entry<KeptPush>): void;
  /** A channel is subscribed. */
  subscribed(channel: Channel): void;
  /** These channels are subscribed again; what was published meanwhile did not come. */
  missed(channels: readonly Channel[] | 'all'): void;
  /** The broker is away: nothing comes. */
  down(): void;
}
