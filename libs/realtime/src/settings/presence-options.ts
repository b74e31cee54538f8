/** The rows of the settings table about presence. docs/presence.md says how they are used. */
import { count, MAX_INT32, seconds } from './kinds.js';

export const PRESENCE_SETTINGS = {
  presenceGrace: seconds(
    'REALTIME_PRESENCE_GRACE',
    5,
    0,
    'How long a user stays present in a room after the last connection was lost, so that a reconnect is no event; a room can have its own.',
  ),
  maxPresenceBytes: count(
    'REALTIME_MAX_PRESENCE_BYTES',
    1024,
    0,
    65_536,
    'bytes',
    'How long the state may be that a connection presents in a room, as JSON; a longer one is refused with `too_big`.',
  ),
  maxPresenceUsers: count(
    'REALTIME_MAX_PRESENCE_USERS',
    100_000,
    1,
    MAX_INT32,
    'users',
    'How many users of one node are listed as present in one room; those above that are counted as connections only.',
  ),
};
