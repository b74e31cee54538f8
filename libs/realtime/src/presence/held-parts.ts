/**
 * Parts of nodes that have stopped, in rooms that have no connections on this node: should their users come back here, they
 * have been there all the time.
 */
import type { PresenceRow } from '../presence.js';

export interface HeldPart {
  readonly node: string;
  readonly v: number;
  readonly users: readonly PresenceRow[];
  /** Until when its users count, by the clock of this node. */
  readonly until: number;
}

export class HeldParts {
  private readonly rooms = new Map<string, HeldPart[]>();
  private size = 0;

  /** @param maxUsers how many users are kept at most, in all rooms together */
  constructor(private readonly maxUsers: number) {}

  keep(room: string, part: HeldPart, now: number): void {
    this.sweep(now);
    if (this.size + part.users.length > this.maxUsers) return;
    this.size += part.users.length;
    this.rooms.set(room, [...(this.rooms.get(room) ?? []), part]);
  }

  /** @returns the parts of a room that still count, which are not kept any longer */
  take(room: string, now: number): HeldPart[] {
    const parts = this.rooms.get(room) ?? [];
    this.rooms.delete(room);
    for (const { users } of parts) this.size -= users.length;
    return parts.filter(({ until }) => until > now);
  }

  private sweep(now: number): void {
    for (const [room, parts] of this.rooms) {
      if (parts.some(({ until }) => until > now)) return;
      this.take(room, now);
    }
  }
}
