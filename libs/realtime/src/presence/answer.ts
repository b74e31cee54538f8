/** The answer of this node to a question for its parts, in frames of at most so many bytes. */
import type { PresenceAsk, PresenceFull, PresenceRow } from '../presence.js';

/** How many bytes the users of one frame have. */
export const PAGE_BYTES = 256 * 1024;

/** What a row costs beside the user and the state: brackets, commas and numbers. */
const ROW_BYTES = 64;

/** The part of this node in one room, as it is now. */
export interface Snapshot {
  readonly v: number;
  readonly rows: readonly PresenceRow[];
}

type Room = { readonly room: string; readonly v: number; readonly users: PresenceRow[] };

/** Parts, page by page. */
export class Pages {
  readonly pages: Room[][] = [[]];
  private bytes = 0;

  constructor(private readonly maxBytes = PAGE_BYTES) {}

  /** Adds a part; it may begin on one page and end on another. */
  add(room: string, { v, rows }: Snapshot): void {
    let users = this.begin(room, v);
    for (const row of rows) {
      const size = sizeOf(row);
      if (this.bytes > 0 && this.bytes + size > this.maxBytes) {
        this.pages.push([]);
        this.bytes = 0;
        users = this.begin(room, v);
      }
      this.bytes += size;
      users.push(row);
    }
  }

  private begin(room: string, v: number): PresenceRow[] {
    const users: PresenceRow[] = [];
    this.pages.at(-1)!.push({ room, v, users });
    this.bytes += ROW_BYTES + 3 * room.length;
    return users;
  }
}

/**
 * Answers a question, as of now.
 *
 * @param partOf the part of a room; undefined when it is empty
 * @param top a version that no part exceeds
 * @returns at least one frame
 */
export function answerTo(
  { id, rooms }: PresenceAsk,
  partOf: (room: string) => Snapshot | undefined,
  top: number,
  maxBytes?: number,
): PresenceFull[] {
  const { pages, same } = { pages: new Pages(maxBytes), same: [] as number[] };
  for (const [place, [room, known]] of rooms.entries()) {
    const part = partOf(room);
    if (part?.v === known) same.push(place);
    else if (part) pages.add(room, part);
  }
  const last = pages.pages.length - 1;
  return pages.pages.map((each, part) => {
    const head = { kind: 'full', id, part, hasMore: part < last, top } as const;
    return { ...head, rooms: each, same: part === 0 ? same : [] };
  });
}

/** A character of UTF-16 has at most three bytes in UTF-8, or six as an escape. */
function sizeOf([user, , state]: PresenceRow): number {
  return ROW_BYTES + jsonBytes(user) + (state === null ? 0 : jsonBytes(state));
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
