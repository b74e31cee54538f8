/** The part of another node in one room, as far as this one has heard of it. */
import type { PresenceDelta, PresenceRow } from '../presence.js';
import { rowOf, type Slot } from './slot.js';

/** What a change did: the users whom it concerns, with the number of the removal of those who are gone. */
export type Touched = ReadonlyMap<string, number>;

const NOTHING: Touched = new Map();

export class OtherPart {
  /** The version that it has; 0 when nothing is known. */
  v = 0;
  private users = new Map<string, Slot>();

  constructor(
    /** The most users; more are not kept, whatever the other node says. */
    private readonly maxUsers: number,
  ) {}

  get size(): number {
    return this.users.size;
  }

  ids(): IterableIterator<string> {
    return this.users.keys();
  }

  /** @returns its users as they would be sent */
  rows(now: number): PresenceRow[] {
    return [...this.users].map(([user, slot]) => rowOf(user, slot, now));
  }

  slot(user: string): Slot | undefined {
    return this.users.get(user);
  }

  /** Applies a delta. @returns the users whom it concerns; undefined when one before it is missing */
  apply(delta: PresenceDelta, now: number): Touched | undefined {
    if (delta.v <= this.v) return NOTHING;
    if (delta.isWhole) return this.replace(delta.v, delta.set, now);
    if (delta.v !== this.v + 1) return undefined;
    this.v = delta.v;
    const touched = new Map(delta.del);
    for (const [user] of delta.del) this.users.delete(user);
    for (const row of delta.set) touched.set(this.set(row, now), 0);
    return touched;
  }

  /** Takes a whole part in place of what was known. Who is missing in it has gone. */
  replace(v: number, rows: readonly PresenceRow[], now: number): Touched {
    const former = this.users;
    this.users = new Map();
    this.v = v;
    const touched = new Map<string, number>();
    for (const row of rows) touched.set(this.set(row, now), 0);
    for (const [user, { change }] of former) if (!this.users.has(user)) touched.set(user, change + 1);
    return touched;
  }

  /** @returns the users whom the end of the part concerns */
  clear(): Touched {
    return this.replace(this.v, [], 0);
  }

  private set([user, connections, state, ageMs, change]: PresenceRow, now: number): string {
    if (!this.users.has(user) && this.users.size >= this.maxUsers) return user;
    const json = state === null ? undefined : JSON.stringify(state);
    this.users.set(user, { connections, state: json, change, since: now - ageMs });
    return user;
  }
}
