/**
 * The part of this node in one room, which nobody else writes: the users with connections here, their states, and how long
 * somebody who was lost still counts.
 */
import type { PresenceDelta, PresenceRow } from '../presence.js';
import { rowOf, type Slot } from './slot.js';

/** One connection of a user in the room; it stays for the grace time when the connection is lost. */
interface Place {
  state: string | undefined;
  change: number;
  isLost: boolean;
  /** True for a lost one whose user has come back: it is not counted twice. */
  isReplaced: boolean;
}

interface OwnUser {
  readonly since: number;
  readonly places: Set<Place>;
}

/** The most users in one delta. */
const MAX_ROWS = 500;

type Delta = Omit<PresenceDelta, 'kind' | 'room'>;

export class OwnPart<C extends object> {
  /** The version that the others have been given; 0 before the first. */
  v = 0;
  private readonly users = new Map<string, OwnUser>();
  private readonly places = new Map<C, Place & { user: string }>();
  /** Who has changed since the last delta; with the number of the removal, for those who are gone. */
  private readonly changed = new Map<string, number>();
  /** The users that the others know of. */
  private readonly shared = new Set<string>();

  get size(): number {
    return this.users.size;
  }

  ids(): IterableIterator<string> {
    return this.users.keys();
  }

  has(user: string): boolean {
    return this.users.has(user);
  }

  slot(user: string): Slot | undefined {
    const own = this.users.get(user);
    if (!own) return undefined;
    let connections = 0;
    let last: Place | undefined;
    for (const place of own.places) {
      if (!place.isReplaced) connections++;
      if (!last || place.change > last.change) last = place;
    }
    return { connections, state: last?.state, change: last?.change ?? 0, since: own.since };
  }

  /** A connection of a user has come. @param since when the user came, if this is their first connection here */
  enter(connection: C, user: string, since: number): void {
    const own = this.users.get(user) ?? { since, places: new Set() };
    this.users.set(user, own);
    const place = { user, state: undefined, change: 0, isLost: false, isReplaced: false };
    const lost = [...own.places].find(({ isLost, isReplaced }) => isLost && !isReplaced);
    if (lost) lost.isReplaced = true;
    else this.changed.set(user, 0);
    own.places.add(place);
    this.places.set(connection, place);
  }

  /** The state of a connection has changed. @returns its user; undefined when it has none */
  present(connection: C, state: string | undefined, next: (user: string) => number): string | undefined {
    const place = this.places.get(connection);
    if (!place) return undefined;
    place.change = next(place.user);
    place.state = state;
    this.changed.set(place.user, 0);
    return place.user;
  }

  /** @returns the user of a connection that is in the room */
  userOf(connection: C): string | undefined {
    return this.places.get(connection)?.user;
  }

  /** A connection is lost. @returns what ends its place; undefined when it had none */
  lose(connection: C): ((next: (user: string) => number) => string) | undefined {
    const place = this.places.get(connection);
    if (!place) return undefined;
    this.places.delete(connection);
    place.isLost = true;
    return (next) => this.end(place, next);
  }

  /** @returns the next deltas, in their order; each has the next version */
  deltas(now: number, top: number): Delta[] {
    const users = [...this.changed].filter(([user]) => this.users.has(user) || this.shared.has(user));
    this.changed.clear();
    const deltas: Delta[] = [];
    for (let at = 0; at < users.length; at += MAX_ROWS) {
      const isWhole = this.shared.size === 0;
      if (isWhole) this.v = Math.max(this.v, top);
      deltas.push({ v: ++this.v, isWhole, ...this.rows(users.slice(at, at + MAX_ROWS), now) });
    }
    return deltas;
  }

  row(user: string, now: number): PresenceRow {
    return rowOf(user, this.slot(user)!, now);
  }

  private rows(users: readonly (readonly [string, number])[], now: number): Pick<Delta, 'set' | 'del'> {
    const here = users.filter(([user]) => this.users.has(user));
    const gone = users.filter(([user]) => !this.users.has(user));
    for (const [user] of here) this.shared.add(user);
    for (const [user] of gone) this.shared.delete(user);
    return { set: here.map(([user]) => this.row(user, now)), del: gone };
  }

  private end(place: Place & { user: string }, next: (user: string) => number): string {
    const { user } = place;
    const own = this.users.get(user);
    if (!own?.places.has(place)) return user;
    const change = next(user);
    own.places.delete(place);
    if (own.places.size === 0) this.users.delete(user);
    this.changed.set(user, own.places.size === 0 ? change : 0);
    return user;
  }
}
