/** What the stream of a room is connected to, and its bounds. */
import type { Clock } from '../cluster/clock.js';
import { type BacklogBounds, BACKLOG_BOUNDS, type Sized } from './backlog.js';
import type { HistoryWindow } from '../history.js';
import type { ReplayBounds } from './members.js';
import type { RoomMember } from './room-member.js';
import type { Tails } from './tail.js';

export interface StreamBounds extends BacklogBounds, ReplayBounds {}

export const STREAM_BOUNDS: StreamBounds = { ...BACKLOG_BOUNDS, maxEntries: 300, maxReplayBytes: 1_048_576 };

/** What a room is connected to. Nothing of it may throw. */
export interface StreamOptions<O extends Sized> {
  /** Reads the newest entries, at most so many. MUST settle. */
  readonly read: (limit: number) => Promise<HistoryWindow>;
  /** Resolves when the entries that were appended before this call have arrived. MUST settle. Default: they have. */
  readonly arrived?: () => Promise<void> | undefined;
  /** Delivers what has no position: a volatile push to these members, an order to whom it concerns. */
  readonly deliver: (other: O, hears: (member: RoomMember) => boolean) => void;
  readonly clock: Clock;
  readonly tails: Tails;
  readonly bounds?: StreamBounds;
}

/** After so many failed reads the room goes on without what is missing, and the members are told of a gap. */
export const MAX_FAILURES = 3;

/** The pause after the first failed read, in milliseconds. It doubles up to 6.4 s. */
const RETRY_MS = 50;
const MAX_DOUBLINGS = 7;

/** @param failures how many reads have failed before */
export function pauseMsAfter(failures: number): number {
  return RETRY_MS * 2 ** Math.min(failures, MAX_DOUBLINGS);
}
