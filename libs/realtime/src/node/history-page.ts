/** Road OUT, step 6: what the application reads of a room's history. */
import type { Channel } from '../command.js';
import { RealtimeError } from '../errors.js';
import type { Entry, HistoryWindow, KeptPush, PushHistory } from '../history.js';
import { parsePosition, placeOf, type Position, positionText, samePosition } from '../position.js';

/** What to read of a history. */
export interface HistoryQuery {
  /** A position: the entries after it, or with `reverse` those before it. Default: from the oldest, or the newest. */
  readonly after?: string;
  /** The most entries, 1 to 1000. Default: 100. */
  readonly limit?: number;
  /** True: the newest first. Default: false. */
  readonly reverse?: boolean;
}

/** One message that is kept. */
export interface HistoryItem {
  readonly position: string;
  /** The message as it was sent: with `emit`, the text of its envelope. */
  readonly text: string;
  /** The event of a message that was sent with `emit`. */
  readonly event?: string;
  /** The data of a message that was sent with `emit`. */
  readonly data?: unknown;
}

/** Some messages that are kept, in order. */
export interface HistoryPage {
  readonly items: readonly HistoryItem[];
  /** The newest position of the room; it has one before its first message too. */
  readonly position: string;
  /** Pass it as `after` to get the next page; undefined when there is nothing more. */
  readonly next?: string;
  /**
   * Only with `after`: why entries between it and the first item may be missing. `expired`: they are no longer kept;
   * `reset`: the room has another past than that of this position.
   */
  readonly gap?: 'expired' | 'reset';
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** @throws as Target.history */
export async function historyPage(
  history: PushHistory,
  channel: Channel,
  { after, limit = DEFAULT_LIMIT, reverse = false }: HistoryQuery,
): Promise<HistoryPage> {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new RangeError(`limit must be a whole number from 1 to ${MAX_LIMIT}, got ${limit}`);
  const since = after === undefined ? undefined : positionOf(after);
  return reverse ? backward(history, channel, since, limit) : forward(history, channel, since, limit);
}

async function forward(history: PushHistory, channel: Channel, since: Position | undefined, limit: number) {
  const { top, base, entries } = await history.read(channel, since?.n ?? 0, limit);
  const last = entries.at(-1);
  const hasMore = last !== undefined && last.position.n < top.n;
  const gap = since && gapAfter(since, { top, base, entries });
  return {
    ...{ items: entries.map(itemOf), position: positionText(top) },
    ...(hasMore && { next: positionText(placeOf(last.position)) }),
    ...(gap && { gap }),
  };
}

/** The entries before a position, read as those after one that is so many before it. */
async function backward(history: PushHistory, channel: Channel, before: Position | undefined, limit: number) {
  const from = before && Math.max(0, before.n - 1 - limit);
  const window = await history.read(channel, from, before ? limit + 1 : limit);
  const entries = before ? window.entries.filter(({ position }) => position.n < before.n) : window.entries;
  const kept = entries.slice(-limit);
  const isReset =
    before && window.entries.some(({ position }) => position.n === before.n && position.tag !== before.tag);
  const first = kept[0];
  return {
    ...{ items: kept.map(itemOf).reverse(), position: positionText(window.top) },
    ...(first && first.position.n > 1 && kept.length === limit && { next: positionText(placeOf(first.position)) }),
    ...(isReset && { gap: 'reset' as const }),
  };
}

function gapAfter(since: Position, { top, base, entries }: HistoryWindow): HistoryPage['gap'] {
  if (samePosition(since, base)) return undefined;
  return since.n < base.n && entries.length > 0 && since.n < top.n ? 'expired' : 'reset';
}

function positionOf(text: string): Position {
  const position = typeof text === 'string' ? parsePosition(text) : undefined;
  if (position) return position;
  throw new RealtimeError('bad_position', 'after is not a position: pass the position or next of an earlier page');
}

function itemOf({ position, message }: Entry<KeptPush>): HistoryItem {
  const { frame } = message;
  const text = frame?.text ?? '';
  const place = { position: positionText(placeOf(position)), text };
  if (!frame?.isEnvelope) return place;
  try {
    const { event, data } = JSON.parse(text) as { event: string; data?: unknown };
    return { ...place, event, data };
  } catch {
    return place;
  }
}
