/** Where one stands in the history of a room: `<n>.<tag>`, which clients keep and return without looking into it. */
export interface EntryPosition {
  /** Counts the entries of the room from 1; at most 15 digits. */
  readonly n: number;
  /** Six characters of base64url that the publisher chose at random. */
  readonly tag: string;
  /** The tag of the entry before; an empty string when there is none. */
  readonly previous: string;
}

export interface Position {
  /** How many entries the room has had; 0 before the first. At most 15 digits. */
  readonly n: number;
  /** Six characters of base64url. Where a store came back older than it was, the same n has another tag. */
  readonly tag: string;
}

const TEXT = /^(\d{1,15})\.([\w-]{6})$/;

/** @returns undefined for a text that is not a position; whoever sent it may have invented it */
export function parsePosition(text: string): Position | undefined {
  const match = TEXT.exec(text);
  return match ? { n: Number(match[1]), tag: match[2]! } : undefined;
}

export const positionText = ({ n, tag }: Position): string => `${n}.${tag}`;

export const samePosition = (a: Position | undefined, b: Position | undefined): boolean =>
  a !== undefined && b !== undefined && a.n === b.n && a.tag === b.tag;

/** @returns the position of the entry before */
export const before = ({ n, previous }: EntryPosition): Position => ({ n: n - 1, tag: previous });

export const placeOf = ({ n, tag }: EntryPosition): Position => ({ n, tag });
