/**
 * Another node, as the source of its parts: asked for what is not known, and again until it has answered. Deltas that come
 * meanwhile wait.
 */
import type { Clock } from '../cluster/clock.js';
import type { PresenceAsk, PresenceDelta, PresenceFull } from '../presence.js';

/** What a source does for the rooms of this node. */
export interface SourceHost {
  /** @returns the version of the node's part that is known; undefined when the room is not of interest any longer */
  known(node: string, room: string): number | undefined;
  ask(node: string, ask: PresenceAsk): void;
  nextId(): number;
  /** The part of the node as it was at this version; undefined: what is known is right. The deltas are newer. */
  answered(node: string, room: string, part: WholePart | undefined, newer: readonly PresenceDelta[]): void;
  /** No room of the last question waits any longer. */
  settled(): void;
}

export interface WholePart {
  readonly v: number;
  readonly users: PresenceDelta['set'];
}

/** The most rooms in one question. */
const MAX_ROOMS = 256;
/** The most characters of their names. */
const MAX_CHARACTERS = 32_768;
/** The most deltas of one room that wait; more are forgotten, which the next one makes known. */
const MAX_WAITING = 1024;
/** A question is repeated after one, two, four, eight times the time for an answer. */
const MAX_DOUBLINGS = 3;

interface Asked {
  readonly id: number;
  readonly rooms: readonly string[];
  readonly names: ReadonlySet<string>;
  readonly parts: Map<string, { v: number; users: PresenceDelta['set'][number][] }>;
  readonly same: Set<string>;
  /** How many frames have come. */
  frames: number;
  heardAt: number;
}

export class PartSource {
  /** When it was last asked about all rooms. */
  wantedAllAt = -Infinity;
  private readonly wanted = new Set<string>();
  private readonly waiting = new Map<string, PresenceDelta[]>();
  private asked?: Asked;
  private failures = 0;
  private isUp = false;
  private isScheduled = false;
  private isPaused = false;

  constructor(
    readonly node: string,
    private readonly host: SourceHost,
    private readonly clock: Clock,
    private readonly askMs: number,
  ) {}

  /** @returns whether the node has yet to say what its part of a room is */
  isAwaited(room: string): boolean {
    return this.wanted.has(room) || (this.asked?.names.has(room) ?? false);
  }

  want(room: string): void {
    this.wanted.add(room);
    this.schedule();
  }

  /** @returns false when the delta does not have to wait: nothing is asked of its room */
  keeps(delta: PresenceDelta): boolean {
    if (!this.isAwaited(delta.room)) return false;
    const kept = this.waiting.get(delta.room) ?? [];
    if (kept.length >= MAX_WAITING) kept.length = 0;
    kept.push(delta);
    this.waiting.set(delta.room, kept);
    return true;
  }

  up(): void {
    this.isUp = true;
    this.schedule();
  }

  down(): void {
    this.isUp = false;
    this.giveUp();
  }

  /** The node has answered, or a part of it. What does not fit together is asked again. */
  received(full: PresenceFull): void {
    const { asked } = this;
    if (!asked || full.id !== asked.id || full.part < asked.frames) return;
    if (full.part > asked.frames || !this.fits(asked, full)) return this.askAgain();
    asked.frames++;
    asked.heardAt = this.clock.now();
    for (const place of full.same) if (asked.rooms[place] !== undefined) asked.same.add(asked.rooms[place]);
    if (!full.hasMore) this.complete(asked, full.top);
  }

  private fits(asked: Asked, { rooms }: PresenceFull): boolean {
    for (const { room, v, users } of rooms) {
      const part = asked.parts.get(room) ?? { v, users: [] };
      if (part.v !== v) return false;
      part.users.push(...users);
      asked.parts.set(room, part);
    }
    return true;
  }

  private complete(asked: Asked, top: number): void {
    this.asked = undefined;
    this.failures = 0;
    for (const room of asked.rooms) {
      const newer = this.waiting.get(room) ?? [];
      this.waiting.delete(room);
      const part = asked.same.has(room) ? undefined : (asked.parts.get(room) ?? { v: top, users: [] });
      this.host.answered(this.node, room, part, newer);
    }
    this.schedule();
    this.host.settled();
  }

  private askAgain(): void {
    this.giveUp();
    this.schedule();
  }

  private giveUp(): void {
    for (const room of this.asked?.rooms ?? []) this.wanted.add(room);
    this.asked = undefined;
  }

  private schedule(): void {
    if (this.isScheduled || this.isPaused || !this.isUp) return;
    this.isScheduled = true;
    this.clock.soon(() => {
      this.isScheduled = false;
      this.ask();
    });
  }

  private ask(): void {
    if (this.asked || !this.isUp || this.isPaused) return;
    const rooms = this.nextRooms();
    if (rooms.length === 0) return this.host.settled();
    const id = this.host.nextId();
    const asked = newlyAsked(
      id,
      rooms.map(([room]) => room),
      this.clock.now(),
    );
    this.asked = asked;
    this.host.ask(this.node, { kind: 'ask', id, rooms });
    this.watch(asked);
  }

  private nextRooms(): (readonly [string, number])[] {
    const rooms: (readonly [string, number])[] = [];
    let characters = 0;
    for (const room of this.wanted) {
      const v = this.host.known(this.node, room);
      characters += room.length;
      if (rooms.length > 0 && (rooms.length >= MAX_ROOMS || characters > MAX_CHARACTERS)) break;
      this.wanted.delete(room);
      if (v === undefined) this.waiting.delete(room);
      else rooms.push([room, v]);
    }
    return rooms;
  }

  /** An answer of many frames may take as long as it goes on. */
  private watch(asked: Asked): void {
    this.clock.after(this.askMs, () => {
      if (this.asked !== asked) return;
      if (this.clock.now() - asked.heardAt < this.askMs) return this.watch(asked);
      this.giveUp();
      this.isPaused = true;
      this.clock.after(this.askMs * 2 ** Math.min(this.failures++, MAX_DOUBLINGS) - this.askMs, () => {
        this.isPaused = false;
        this.schedule();
      });
    });
  }
}

function newlyAsked(id: number, rooms: readonly string[], now: number): Asked {
  return { id, rooms, names: new Set(rooms), parts: new Map(), same: new Set(), frames: 0, heardAt: now };
}
