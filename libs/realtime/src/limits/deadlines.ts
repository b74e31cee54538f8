import { detached } from '../async-context.js';

/** Where an item waits. The item keeps it, so that neither adding nor deleting one needs a lookup: each hook does both. */
const ENTRY = Symbol('deadline');

interface Due {
  [ENTRY]?: Entry;
}

interface Entry {
  readonly list: object;
  readonly item: Due;
  /** In milliseconds of `performance.now()`. */
  readonly dueAt: number;
  previous: Entry | undefined;
  next: Entry | undefined;
}

/** An item that is made with the place for its entry: for those that are added and deleted often. */
export abstract class Timed implements Due {
  [ENTRY]?: Entry = undefined;
}

/**
 * Items that share one timeout and one timer. They fall due in insertion order, so they are a linked list. The timer is
 * not stopped when all items are deleted in time, and it does not keep the process alive. An item MUST NOT be in two of
 * these at once.
 */
export class Deadlines<T extends object> {
  /** How many items there are, late or not. */
  size = 0;
  private first?: Entry;
  private last?: Entry;
  /** The first entry that is not late; all before it are. */
  private next?: Entry;
  private timer?: NodeJS.Timeout;

  /**
   * @param timeMs how long each item has; Infinity for no limit: no item is then kept
   * @param late called once with each item that is due; the item stays until it is deleted
   * @param failed called with what `late` throws for an item; the other items do not notice
   */
  constructor(
    private readonly timeMs: number,
    private readonly late: (item: T) => void,
    private readonly failed: (error: unknown, item: T) => void,
  ) {}

  /** Gives an item its time, from now on also if it is there already. */
  add(item: T & Due): void {
    if (this.timeMs === Infinity) return;
    if (item[ENTRY]) this.delete(item);
    const { last } = this;
    const entry = { list: this, item, dueAt: performance.now() + this.timeMs, previous: last, next: undefined };
    item[ENTRY] = entry;
    if (last) last.next = entry;
    else this.first = entry;
    this.last = entry;
    this.next ??= entry;
    this.size++;
    if (!this.timer) this.wake(this.timeMs);
  }

  /** Removes an item, late or not. @returns false if it was already removed */
  delete(item: T & Due): boolean {
    const entry = item[ENTRY];
    if (entry?.list !== this) return false;
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.first = next;
    if (next) next.previous = previous;
    else this.last = previous;
    if (this.next === entry) this.next = next;
    // An old entry that is garbage must not keep the younger ones alive
    entry.previous = entry.next = item[ENTRY] = undefined;
    this.size--;
    return true;
  }

  /** Removes all items. @returns them, the oldest first */
  clear(): T[] {
    clearTimeout(this.timer);
    this.timer = undefined;
    const items: T[] = [];
    for (let entry = this.first; entry; entry = entry.next) items.push(entry.item as T);
    for (const item of items) this.delete(item);
    return items;
  }

  private wake(afterMs: number): void {
    this.timer = detached(() => setTimeout(() => this.look(), Math.ceil(afterMs)));
    this.timer.unref();
  }

  private look(): void {
    const now = performance.now();
    for (let { next } = this; next && next.dueAt <= now; { next } = this) {
      this.next = next.next;
      this.report(next.item as T);
    }
    this.lookAgain();
  }

  private report(item: T): void {
    try {
      this.late(item);
    } catch (error) {
      this.failed(error, item);
    }
  }

  private lookAgain(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.next) this.wake(Math.max(0, this.next.dueAt - performance.now()));
  }
}
