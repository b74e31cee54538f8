/** The rows of the settings table about rooms with history. docs/rooms.md and docs/recovery.md say how they are used. */
import { count, MAX_INT32 } from './kinds.js';

export const HISTORY_SETTINGS = {
  maxHistoryBytes: count(
    'REALTIME_MAX_HISTORY_BYTES',
    268_435_456,
    0,
    Number.MAX_SAFE_INTEGER,
    'bytes',
    'How much the histories of all rooms may take in the memory of this process, where the broker is `memory`; above that, the rooms that have had no push for longest lose their oldest entries.',
  ),
  maxTailBytes: count(
    'REALTIME_MAX_TAIL_BYTES',
    262_144,
    0,
    MAX_INT32,
    'bytes',
    'How many bytes of the last entries of one room a node keeps at hand while it has members, so that a client that comes back seldom costs a read.',
  ),
  maxTailBytesTotal: count(
    'REALTIME_MAX_TAIL_BYTES_TOTAL',
    67_108_864,
    0,
    Number.MAX_SAFE_INTEGER,
    'bytes',
    'The same for all rooms of a node together; above that, the rooms that have had no entry for longest keep less.',
  ),
  maxRecoveryEntries: count(
    'REALTIME_MAX_RECOVERY_ENTRIES',
    300,
    1,
    10_000,
    'entries',
    'How many entries of one room a client that comes back is sent; one that has missed more is told so (`limit`) and gets none.',
  ),
  maxRecoveryBytes: count(
    'REALTIME_MAX_RECOVERY_BYTES',
    1_048_576,
    0,
    MAX_INT32,
    'bytes',
    'How many bytes of one room a client that comes back is sent; one that has missed more is told so (`limit`) and gets none.',
  ),
  maxHistoryReads: count(
    'REALTIME_MAX_HISTORY_READS',
    8,
    1,
    1024,
    'reads',
    'How many rooms this node reads from the broker at the same time; after an outage it reads all of its rooms with history once.',
  ),
};
