import { detached } from '../async-context.js';

/**
 * Items that share one timeout and one timer. They fall due in insertion order, so adding one costs a map entry. The
 * timer is not stopped when all items are deleted in time, and it does not keep the process alive.
 */
export class Deadlines<T> {
  /** When each item is due, in milliseconds of `performance.now()`; the first item is due next. */
  private readonly dueAt = new Map<T, number>();
  private readonly overdue = new Set<T>();
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

  get size(): number {
    return this.dueAt.size + this.overdue.size;
  }

  add(item: T): void {
    if (this.timeMs === Infinity) return;
    this.dueAt.set(item, performance.now() + this.timeMs);
    if (!this.timer) this.wake(this.timeMs);
  }

  /** Removes an item, late or not. @returns false if it was already removed */
  delete(item: T): boolean {
    return this.dueAt.delete(item) || this.overdue.delete(item);
  }

  /** Removes all items. @returns them, the oldest first */
  clear(): T[] {
    clearTimeout(this.timer);
    this.timer = undefined;
    const items = [...this.overdue, ...this.dueAt.keys()];
    this.overdue.clear();
    this.dueAt.clear();
    return items;
  }

  private wake(afterMs: number): void {
    this.timer = detached(() => setTimeout(() => this.look(), Math.ceil(afterMs)));
    this.timer.unref();
  }

  private look(): void {
    const now = performance.now();
    for (const [item, dueAt] of this.dueAt) {
      if (dueAt > now) break;
      this.dueAt.delete(item);
      this.overdue.add(item);
      this.report(item);
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
    for (const dueAt of this.dueAt.values()) {
      this.wake(Math.max(0, dueAt - performance.now()));
      return;
    }
  }
}
