/** The users of a room in the order of their ids, for listings: sorted when the first page is read, and kept in order. */

/** After so many changes without a page the order is given up. */
const MAX_UNUSED = 1000;

export class UserOrder {
  private ids?: string[];
  private unused = 0;

  /** @returns up to so many ids after this one */
  after(cursor: string | undefined, limit: number, all: () => Iterable<string>): string[] {
    this.ids ??= [...all()].sort();
    this.unused = 0;
    const at = cursor === undefined ? 0 : place(this.ids, cursor);
    const start = cursor !== undefined && this.ids[at] === cursor ? at + 1 : at;
    return this.ids.slice(start, start + limit);
  }

  /** A user may have come or gone. */
  changed(user: string, isThere: () => boolean): void {
    if (!this.ids) return;
    if (++this.unused > MAX_UNUSED) this.ids = undefined;
    else this.put(this.ids, user, isThere());
  }

  private put(ids: string[], user: string, isThere: boolean): void {
    const at = place(ids, user);
    const isListed = ids[at] === user;
    if (isThere && !isListed) ids.splice(at, 0, user);
    else if (!isThere && isListed) ids.splice(at, 1);
  }
}

/** @returns where an id is, or would be */
function place(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
