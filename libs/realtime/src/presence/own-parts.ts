/** What this node says of its own parts: each change, the whole of them to who asks, and a farewell. */
import type { PresenceAsk, PresenceHeld, PresenceLink } from '../presence.js';
import { answerTo, Pages, type Snapshot } from './answer.js';
import type { ChangedRooms } from './changed-rooms.js';
import type { OwnRooms } from './other-nodes.js';
import type { PresenceRoom } from './presence-room.js';

export class OwnParts {
  constructor(
    private readonly self: string,
    private readonly rooms: Pick<OwnRooms, 'all' | 'clock' | 'graceMs'>,
    private readonly changedRooms: ChangedRooms,
    private readonly link: Pick<PresenceLink, 'share'>,
  ) {}

  /** Publishes what has changed in a room since the last call. */
  publish({ name, own }: PresenceRoom<object>): void {
    const now = this.rooms.clock.now();
    for (const delta of own.deltas(now, this.changedRooms.top)) {
      this.changedRooms.changed(name, delta.v, now);
      void this.link.share(`r:${name}`, { kind: 'delta', room: name, ...delta });
    }
  }

  /** @param held what this node knows of nodes that have gone, which is said first */
  async answer(to: string, ask: PresenceAsk, held: readonly PresenceHeld[]): Promise<void> {
    for (const [name] of ask.rooms) {
      const room = this.rooms.all.get(name);
      if (room) this.publish(room);
    }
    const frames = answerTo(ask, (name) => this.snapshot(name), this.changedRooms.top);
    for (const frame of [...held, ...frames]) await this.link.share(`n:${to}`, frame);
  }

  /** Leaves the parts of all rooms with the other nodes, for the time in which the users may come back. */
  async farewell(spreadMs: number): Promise<void> {
    const pages = new Pages();
    let graceMs = 0;
    for (const name of this.rooms.all.keys()) {
      const part = this.snapshot(name);
      if (!part) continue;
      pages.add(name, part);
      graceMs = Math.max(graceMs, this.rooms.graceMs(name));
    }
    const head = { kind: 'held', node: this.self, holdMs: graceMs + spreadMs } as const;
    for (const rooms of pages.pages) if (rooms.length > 0) await this.link.share('n:*', { ...head, rooms });
  }

  private snapshot(name: string): Snapshot | undefined {
    const own = this.rooms.all.get(name)?.own;
    if (!own || own.size === 0) return undefined;
    const now = this.rooms.clock.now();
    return { v: own.v, rows: [...own.ids()].map((user) => own.row(user, now)) };
  }
}
