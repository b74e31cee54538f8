/** Road OUT, step 10: what SSE and polling keep for their client. */
import type { Frame } from '../../frame.js';
import { ReplayRing } from '../../node/replay-ring.js';
import type { SlowConsumers } from '../../node/slow-consumers.js';
import type { Place } from '../../transport.js';

/** A message that its client may not have. */
export interface Entry {
  readonly frame: Frame;
  /** Where the client then stands in rooms with history, for a transport that says so. */
  readonly places: string;
  readonly size: number;
}

/** @param placesWith where the client stands with a place */
export function entryOf(frame: Frame, place: Place | undefined, placesWith: (place?: Place) => string): Entry {
  frame.keep();
  const places = placesWith(place);
  return { frame, places, size: frame.size + places.length };
}

/**
 * @param held counts the bytes for the process; undefined where a session counts them
 * @param position the number of the last message that the client has
 */
export function newRing(held: Pick<SlowConsumers, 'bytes'> | undefined, position = 0): ReplayRing<Entry> {
  const all = held ?? { bytes: 0 };
  return new ReplayRing((bytes) => void (all.bytes += bytes), position);
}
