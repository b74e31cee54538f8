/** Which rooms this node announces: those whose parts have changed during the last periods, with their versions. */
import { createHash } from 'node:crypto';
import type { PresenceVersions } from '../presence.js';

/** The most rooms in one announcement. */
export const MAX_ANNOUNCED = 200;

/** In so many announcements a change is listed: two of them may be lost. */
const PERIODS = 3;

/** @returns the name of a room in announcements: 8 characters; two rooms with the same one cost a question in vain */
export const keyOf = (room: string): string => createHash('sha256').update(room).digest('base64url').slice(0, 8);

interface Changed {
  readonly key: string;
  readonly v: number;
  readonly at: number;
}

export class ChangedRooms {
  /** The highest version of all parts, forgotten ones included: a new part begins above it. */
  top = 0;
  /** In the order of their changes. */
  private readonly rooms = new Map<string, Changed>();

  constructor(private readonly announceMs: number) {}

  changed(room: string, v: number, now: number): void {
    this.top = Math.max(this.top, v);
    this.rooms.delete(room);
    this.rooms.set(room, { key: keyOf(room), v, at: now });
    this.sweep(now);
  }

  /** @returns what to announce; undefined when nothing has changed */
  versions(now: number): PresenceVersions | undefined {
    this.sweep(now);
    if (this.rooms.size === 0) return undefined;
    if (this.rooms.size > MAX_ANNOUNCED) return 'many';
    return [...this.rooms.values()].map(({ key, v }) => [key, v] as const);
  }

  private sweep(now: number): void {
    for (const [room, { at }] of this.rooms) {
      if (now - at <= (PERIODS + 0.5) * this.announceMs) return;
      this.rooms.delete(room);
    }
  }
}
