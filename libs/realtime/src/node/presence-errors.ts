/** What the application may ask of presence, and the states that connections may have. */
import { RealtimeError } from '../errors.js';
import type { Node } from './node.js';

export function noPresence(room: string): RealtimeError {
  const option = `RealtimeModule.forRoot({ rooms: { ${JSON.stringify(room)}: { presence: true } } })`;
  return new RealtimeError('no_presence', `The room ${JSON.stringify(room)} has no presence: set ${option}`);
}

/**
 * @returns a state as JSON; undefined for none
 * @throws RealtimeError `bad_state`, or `too_big` above `REALTIME_MAX_PRESENCE_BYTES`
 */
export function stateOf(state: unknown, { settings, limits }: Pick<Node, 'settings' | 'limits'>): string | undefined {
  if (state === undefined || state === null) return undefined;
  const json = jsonOf(state);
  const max = settings.maxPresenceBytes;
  const length = Buffer.byteLength(json);
  if (length <= max || !limits.reached('presenceBytes', `bytes=${length}`)) return json;
  throw new RealtimeError('too_big', `A state of ${length} bytes exceeds REALTIME_MAX_PRESENCE_BYTES (${max})`);
}

function jsonOf(state: unknown): string {
  try {
    const json: string | undefined = JSON.stringify(state);
    if (json !== undefined) return json;
  } catch {
    // A cycle, a BigInt, or a toJSON() that throws
  }
  throw new RealtimeError('bad_state', `A state must be a value that JSON can hold, got ${typeof state}`);
}
