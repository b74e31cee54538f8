/** What a read of a room says about one position. */
import { EntryRing } from './entry-ring.js';
import type { Entry, HistoryWindow } from '../history.js';
import type { Position } from '../position.js';
import type { GapReason } from './room-member.js';

/** The entries after a position; `behind`: the room itself has to be repaired first; otherwise why nobody knows. */
export type Verdict = readonly Entry[] | 'behind' | GapReason;

/**
 * @param tail where the room stands, and what it keeps
 * @param limit the most entries that the read could return
 */
export function judge(since: Position, window: HistoryWindow, tail: EntryRing, limit: number): Verdict {
  const known = tail.after(since);
  if (known) return known;
  const all = ringOf(window, tail);
  const missed = all.after(since);
  if (!missed) return reasonOf(since, window, limit);
  const { top } = tail;
  return all.knows(top) && top.n >= since.n ? missed.slice(0, top.n - since.n) : 'behind';
}

/** @returns what a read has found, and what has come since */
export function ringOf({ base, entries, top }: HistoryWindow, tail: EntryRing): EntryRing {
  return new EntryRing(base, [...entries, ...(tail.after(top) ?? [])]);
}

/** @returns why a position is not in a window */
export function reasonOf({ n }: Position, { base, entries }: HistoryWindow, limit: number): GapReason {
  if (n >= base.n) return 'reset';
  return entries.length >= limit ? 'limit' : 'expired';
}
