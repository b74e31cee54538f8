/** Adds an item to a set, or removes it. */
export function toggle<T>(set: Set<T>, item: T, isIn: boolean): void {
  if (isIn) set.add(item);
  else set.delete(item);
}

/** The first items of an order, at most so many. */
export function first<T>(items: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (taken.length === count) break;
    taken.push(item);
  }
  return taken;
}

/** The items of an order before the first that does not match. */
export function firstWhile<T>(items: Iterable<T>, matches: (item: T) => boolean): T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (!matches(item)) break;
    taken.push(item);
  }
  return taken;
}
