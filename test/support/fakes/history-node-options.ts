/** What a simulated node is made of: the classes under test, and how its subscription and its store behave. */
import type { RoomMember } from '../../../libs/realtime/src/history/room-member.js';
import type { RoomStream } from '../../../libs/realtime/src/history/room-stream.js';
import type { StreamBounds } from '../../../libs/realtime/src/history/stream-options.js';
import type { Tails } from '../../../libs/realtime/src/history/tail.js';
import type { TopCheck } from '../../../libs/realtime/src/history/top-check.js';

/** The classes under test: those of the library, or with a rule taken away. */
export interface HistoryClasses {
  readonly RoomStream: typeof RoomStream;
  readonly RoomMember: typeof RoomMember;
  readonly Tails: typeof Tails;
  readonly TopCheck: typeof TopCheck;
}

export interface NodeOptions {
  readonly classes: HistoryClasses;
  readonly bounds: StreamBounds;
  readonly tailBytes: number;
  readonly lagMs: number;
  readonly roundTripMs: number;
  /** How often the subscription loses, repeats or delays something. */
  readonly faults: number;
  readonly fault: (what: string) => void;
}
