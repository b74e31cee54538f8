/** One connection in one room with history: where it stands, and whether it gets the room's entries as they come. */
import type { Entry } from '../history.js';
import { before, placeOf, type Position, samePosition } from '../position.js';

/**
 * - `expired`: it is older than what is kept.
 * - `reset`: the room has another past now.
 * - `limit`: more was missed than one client is sent.
 * - `unavailable`: the store cannot be read.
 * - `slow`: the client did not take it in time.
 */
export type GapReason = 'expired' | 'reset' | 'limit' | 'unavailable' | 'slow';

/** Entries between two positions are missing. */
export interface Gap {
  readonly reason: GapReason;
  /** Before the loss; undefined when the client has no position. */
  readonly since?: Position;
  /** From where it goes on; undefined when nobody knows. */
  readonly position?: Position;
}

export interface Joined {
  /** Where the client stands now; undefined when the store cannot be read. */
  readonly position?: Position;
  /** Whether nothing is missing since the position of the client; undefined when it had none. */
  readonly recovered?: boolean;
  /** Why something may be missing. */
  readonly reason?: GapReason;
}

/** The way to the client. It MUST not throw, and MUST not call the stream but for `leave`. */
export interface MemberOutput {
  /** @returns false when it was lost, because the client is too slow */
  entry(entry: Entry): boolean;
  /** The client is past an entry that is not for it. */
  at(position: Position): void;
  gap(gap: Gap): void;
  /** Called once. */
  joined(joined: Joined): void;
  /** @param isReplay true: what its former connections were left out of is not for it either */
  isExcepted(entry: Entry, isReplay: boolean): boolean;
}

export class RoomMember {
  /** The last position that the client was sent, or was told to go on from. */
  position?: Position;
  /** True while it gets nothing, until it has caught up. */
  isBehind = false;
  /** Settles when it has joined or left; undefined when it does not belong to the room. */
  whenJoined?: Promise<void>;
  private settle: () => void = () => {};

  constructor(private readonly output: MemberOutput) {}

  /** It belongs to the room from now on. */
  enter(): Promise<void> {
    this.whenJoined = new Promise((resolve) => (this.settle = resolve));
    return this.whenJoined;
  }

  /** It no longer belongs to the room. */
  exit(): void {
    this.whenJoined = undefined;
    this.isBehind = false;
    this.settle();
  }

  joined(joined: Joined): void {
    this.position = joined.position;
    this.output.joined(joined);
    this.settle();
  }

  /** Sends an entry. Once one is lost, those after it are not sent. */
  entry(entry: Entry, isReplay: boolean): void {
    if (this.isBehind) return;
    const isExcepted = this.output.isExcepted(entry, isReplay);
    if (!isExcepted && !this.output.entry(entry)) {
      this.isBehind = true;
      return;
    }
    this.position = placeOf(entry.position);
    if (isExcepted) this.output.at(this.position);
  }

  /** Goes on from another position; where it stands there already, nothing is missing. */
  gap(reason: GapReason, position: Position | undefined): void {
    if (samePosition(this.position, position)) return;
    this.output.gap({ reason, since: this.position, position });
    this.position = position;
  }

  /** An entry that had been taken was dropped while it waited. @returns the gap at its place */
  lost({ position }: Entry): Gap {
    this.isBehind = true;
    return { reason: 'slow', since: before(position), position: placeOf(position) };
  }
}
