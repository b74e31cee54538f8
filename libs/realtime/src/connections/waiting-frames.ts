import type { Frame } from '../frame.js';
import { MESSAGE_COST } from '../node/replay-ring.js';
import type { Place } from '../transport.js';

/** What sends the messages of a room with history. */
export interface Placed {
  /** A message of it was dropped while it waited. @returns what takes its place in the queue, if anything */
  lostAt(place: Place): Frame | undefined;
  /** The client, to which a message of it was lost, has room again. */
  regained(): void;
}

/** A frame, and where the client stands once it has it. */
export interface Waiting {
  readonly frame: Frame;
  readonly place?: Place;
  readonly from?: Placed;
}

const NOTHING: Waiting[] = [];

/** The frames that wait for one client, the oldest first. */
export class WaitingFrames {
  /** The bytes of all payloads. */
  bytes = 0;
  /** Most clients never have a frame that waits: they share one empty list. */
  private items = NOTHING;

  /** @param all the bytes that wait for all clients together */
  constructor(private readonly all: { bytes: number }) {}

  get length(): number {
    return this.items.length;
  }

  at(index: number): Waiting {
    return this.items[index]!;
  }

  push(item: Waiting): void {
    item.frame.keep();
    if (this.items === NOTHING) this.items = [];
    this.items.push(item);
    this.count(item, 1);
  }

  /** Takes the oldest one out. */
  take(): Waiting {
    const item = this.items.shift()!;
    this.count(item, -1);
    return item;
  }

  /** Takes one out. @param by what takes its place, given the one that was there */
  replace(index: number, by: (item: Waiting) => Waiting | undefined): void {
    const [item] = this.items.splice(index, 1);
    this.count(item!, -1);
    const other = by(item!);
    if (!other) return;
    this.items.splice(index, 0, other);
    this.count(other, 1);
  }

  private count({ frame }: Waiting, sign: 1 | -1): void {
    this.bytes += sign * frame.size;
    this.all.bytes += sign * (frame.size + MESSAGE_COST);
  }
}
