/**
 * The ids of a stream of events: `<token>.<n>[;<key>=<position>…][;+]`. The token and n name a message of this node's
 * connection; the positions let a client go on anywhere. What a client sends back may be invented.
 */
import { parsePosition, type Position } from '../position.js';

/** The most rooms in one id. */
export const MAX_ROOMS = 16;

/** The key of the user's own history. */
export const USER_KEY = 'u';

/** What ends an id that has left rooms out. */
export const PARTIAL = '+';

export interface EventId {
  readonly token: string;
  /** The number of the message. */
  readonly n: number;
  /** Where the client stands, by the keys of the rooms. */
  readonly rooms: ReadonlyMap<string, Position>;
  readonly user?: Position;
  /** True when rooms were left out. */
  readonly isPartial: boolean;
}

const HEAD = /^([\w-]{1,64})\.(\d{1,15})(?:;(.*))?$/;
const ROOM = /^(u|[\w-]{8})=(.+)$/;

/** @returns undefined for what is not an id; positions that cannot be read make it one that has left rooms out */
export function parseEventId(text: string): EventId | undefined {
  const [, token, n, rest] = HEAD.exec(text) ?? [];
  if (token === undefined) return undefined;
  return { token, n: Number(n), ...parsePlaces(rest) };
}

/** @param text `<key>=<position>[;…][;+]` */
export function parsePlaces(text = ''): Pick<EventId, 'rooms' | 'user' | 'isPartial'> {
  const rooms = new Map<string, Position>();
  const parts = text === '' ? [] : text.split(';', MAX_ROOMS + 2);
  let isPartial = false;
  for (const part of parts) {
    const [, key, value = ''] = ROOM.exec(part) ?? [];
    const position = parsePosition(value);
    if (key && position) rooms.set(key, position);
    else isPartial = true;
  }
  const user = rooms.get(USER_KEY);
  rooms.delete(USER_KEY);
  return { rooms, isPartial, ...(user && { user }) };
}
