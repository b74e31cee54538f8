/** Checks of the values that the application passes in; each error says what was wrong and what is allowed. */
import { isSendableCloseCode, RESERVED_PREFIX } from 'nestjs-realtime-protocol';
import { RealtimeError } from '../errors.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { Limits } from './limits.js';

/** RFC 6455 §5.5: a control frame carries 125 bytes, and two of them are the code. */
const MAX_REASON_BYTES = 123;

/**
 * @throws RangeError for a close code that may not be sent; TypeError for a reason that is too long or not a string: a
 *   typed array would send whatever lies in memory (CVE-2026-45736)
 */
export function checkClose(code: number, reason: string): void {
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Close code ${code} may not be sent: use 1000–1014 (not 1004–1006) or 3000–4999`);
  }
  if (typeof reason !== 'string') throw new TypeError(`A close reason must be a string, got ${typeof reason}`);
  const length = Buffer.byteLength(reason);
  if (length > MAX_REASON_BYTES)
    throw new TypeError(`A close reason may have at most ${MAX_REASON_BYTES} bytes, got ${length}`);
}

/** The part of the node that the checks need. */
export interface NameBounds {
  readonly settings: Pick<RealtimeSettings, 'maxNameLength' | 'maxBufferedBytes'>;
  readonly limits: Pick<Limits, 'reached'>;
}

/**
 * @throws RealtimeError `bad_name` unless the name is a string of 1 to `REALTIME_MAX_NAME_LENGTH` characters. In
 *   report-only mode a longer name is accepted, but an empty one or a value that is not a string is not.
 */
export function checkName(
  what: 'room' | 'user' | 'event' | 'key',
  name: string,
  { settings, limits }: NameBounds,
): void {
  const max = settings.maxNameLength;
  if (typeof name !== 'string')
    throw new RealtimeError('bad_name', `The name of the ${what} must be a string, got ${typeof name}`);
  if (name.length > 0 && name.length <= max) return;
  if (name.length > 0 && !limits.reached('nameLength', `name=${what} characters=${name.length}`)) return;
  throw new RealtimeError(
    'bad_name',
    `The name of the ${what} must have 1 to ${max} characters (REALTIME_MAX_NAME_LENGTH), got ${name.length}`,
  );
}

/** @throws RealtimeError `bad_name` as for every name, and for one of this module's own events */
export function checkEvent(event: string, bounds: NameBounds): void {
  checkName('event', event, bounds);
  if (!event.startsWith(RESERVED_PREFIX)) return;
  throw new RealtimeError(
    'bad_name',
    `Events whose name begins with ${RESERVED_PREFIX} are those of this module: rename ${JSON.stringify(event.slice(0, 64))}`,
  );
}

/** @throws RealtimeError `bad_date` unless it is a valid Date: a number or a text would never expire, or at once */
export function checkDate(date: Date): void {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return;
  throw new RealtimeError('bad_date', `A time of expiry must be a valid Date, got ${String(date)}`);
}

/** @throws RealtimeError `bad_keep` unless the number of connections that a user keeps is a whole number from 1 on */
export function checkReplace(replace: boolean | { readonly keep: number }): void {
  if (typeof replace === 'boolean' || (Number.isInteger(replace.keep) && replace.keep >= 1)) return;
  throw new RealtimeError('bad_keep', `replace.keep must be a whole number from 1 on, got ${String(replace.keep)}`);
}

/** The part of the node that knows how many members a listing may have. */
interface MemberBounds {
  readonly settings: Pick<RealtimeSettings, 'maxMembers'>;
  readonly limits: Pick<Limits, 'reached'>;
}

/** @throws RealtimeError `too_many_members` above `REALTIME_MAX_MEMBERS` */
export function checkMembers(found: number, { settings: { maxMembers: max }, limits }: MemberBounds): void {
  if (found <= max || !limits.reached('members', `members=${found}`)) return;
  throw new RealtimeError(
    'too_many_members',
    `members() returns at most ${max} (REALTIME_MAX_MEMBERS), this target has ${found}: use count()`,
  );
}

/** @throws RealtimeError `too_big` for a message that is longer than all that may wait for one client */
export function checkSize(
  frame: { readonly size: number; readonly atMost: number },
  { settings, limits }: NameBounds,
): void {
  const max = settings.maxBufferedBytes;
  if (frame.atMost <= max || frame.size <= max || !limits.reached('bufferedBytes', `message=${frame.size}`)) return;
  throw new RealtimeError('too_big', `A message of ${frame.size} bytes exceeds REALTIME_MAX_BUFFERED_BYTES (${max})`);
}

/** @throws RealtimeError `no_history` in a room that keeps none; RangeError above `REALTIME_MAX_RECOVERY_ENTRIES` */
export function checkLast(
  last: number,
  hasHistory: boolean,
  room: string,
  { maxRecoveryEntries: max }: Pick<RealtimeSettings, 'maxRecoveryEntries'>,
): void {
  if (!hasHistory) throw noHistory(`join(${JSON.stringify(room)}, { last })`);
  if (Number.isInteger(last) && last >= 1 && last <= max) return;
  throw new RangeError(`last must be a whole number from 1 to ${max} (REALTIME_MAX_RECOVERY_ENTRIES), got ${last}`);
}

/** @param call what was called with something that only rooms with history have */
export function noHistory(call: string): RealtimeError {
  return new RealtimeError(
    'no_history',
    `${call} needs a room with history: set forRoot({ rooms: { '<name or prefix*>': { history: { size, age } } } }), or { users: { history } } for users`,
  );
}

/** Returns the error for a connection that would be in more rooms than `REALTIME_MAX_ROOMS_PER_CONNECTION`. */
export function tooManyRooms(max: number): RealtimeError {
  return new RealtimeError(
    'too_many_rooms',
    `A connection may be in at most ${max} rooms (REALTIME_MAX_ROOMS_PER_CONNECTION)`,
  );
}
