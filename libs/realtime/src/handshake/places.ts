/**
 * Road IN, step 2: the places that clients take on this node, counted per address and per user. A place is taken once,
 * when a request is admitted; it goes with the request into the connection, and is released once, when that has ended.
 */
import type { Addresses } from './addresses.js';

export class Places {
  /** How many places are taken, by open connections and by admitted requests that are not connections yet. */
  taken = 0;
  private readonly users = new Map<string, number>();

  constructor(private readonly addresses: Addresses) {}

  /** How many places a user has. */
  ofUser(userId: string): number {
    return this.users.get(userId) ?? 0;
  }

  /** @param userId undefined until the client has identified itself */
  take(address: string, userId?: string): Place {
    this.taken++;
    this.addresses.opened(address);
    const place = new Place(this, address);
    if (userId !== undefined) place.bind(userId);
    return place;
  }

  /** @returns a place that is counted nowhere: the connection has one already */
  none(): Place {
    const place = new Place(this, '');
    place.isReleased = true;
    return place;
  }

  /** @internal */
  release(address: string): void {
    this.taken--;
    this.addresses.closed(address);
  }

  /** @internal */
  count(userId: string, change: 1 | -1): void {
    const count = this.ofUser(userId) + change;
    if (count > 0) this.users.set(userId, count);
    else this.users.delete(userId);
  }
}

/** The place of one client. */
export class Place {
  private userId: string | undefined = undefined;
  /** True when nobody has it any more: the connection has ended, or the client left before it had one. */
  isReleased = false;

  /** @internal Made by Places. */
  constructor(
    private readonly places: Places,
    private readonly address: string,
  ) {}

  /** Counts the place for this user from now on. After the release it does nothing. */
  bind(userId: string): void {
    if (this.isReleased) return;
    this.places.count(userId, 1);
    if (this.userId !== undefined) this.places.count(this.userId, -1);
    this.userId = userId;
  }

  /** Gives the place back. A second call does nothing. */
  release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    if (this.userId !== undefined) this.places.count(this.userId, -1);
    this.places.release(this.address);
  }
}
