/**
 * Road IN, step 2: the places that clients take on this node, at their address and as their user. A place is taken once,
 * when a request is admitted, goes along with it into the connection, and is released once, when that has ended.
 */
import type { Addresses } from './addresses.js';

export class Places {
  /** How many are taken: by open connections, and by admitted requests that are not connections yet. */
  taken = 0;
  private readonly users = new Map<string, number>();

  constructor(private readonly addresses: Addresses) {}

  /** How many places a user has. */
  ofUser(userId: string): number {
    return this.users.get(userId) ?? 0;
  }

  /** @param userId undefined as long as nobody knows whose place it is */
  take(address: string, userId?: string): Place {
    this.taken++;
    this.addresses.opened(address);
    const place = new Place(this, address);
    if (userId !== undefined) place.bind(userId);
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

/** One place. */
export class Place {
  private userId: string | undefined = undefined;
  private isReleased = false;

  /** @internal Made by Places. */
  constructor(
    private readonly places: Places,
    private readonly address: string,
  ) {}

  /** It is this user's from now on. Nothing happens after the release. */
  bind(userId: string): void {
    if (this.isReleased) return;
    this.places.count(userId, 1);
    if (this.userId !== undefined) this.places.count(this.userId, -1);
    this.userId = userId;
  }

  /** Gives it back. Nothing happens the second time. */
  release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    if (this.userId !== undefined) this.places.count(this.userId, -1);
    this.places.release(this.address);
  }
}
