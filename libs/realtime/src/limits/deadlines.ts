import { detached } from '../async-context.js';

/**
 * Things that each have the same time, and one timer for all of them: the one that was added first is due first, so an
 * addition costs an entry in a map. The timer runs on when all were done in time, and does not keep the process alive.
 */
export class Deadlines<T> {
  /** When each is due, in milliseconds of `performance.now()`; the next one is the first. */
  private readonly dueAt = new Map<T, number>();
  private readonly overdue = new Set<T>();
  private timer?: NodeJS.Timeout;

  /**
   * @param timeMs how long each of them has
   * @param late called once with what was not done by then; it stays until it is deleted
   */
  constructor(
    private readonly timeMs: number,
    private readonly late: (item: T) => void,
  ) {}

  get size(): number {
    return this.dueAt.size + this.overdue.size;
  }

  add(item: T): void {
    this.dueAt.set(item, performance.now() + this.timeMs);
    if (!this.timer) this.wake(this.timeMs);
  }

  /** It is done, in time or not. @returns false when it was before */
  delete(item: T): boolean {
    return this.dueAt.delete(item) || this.overdue.delete(item);
  }

  /** Forgets all. @returns what it was, the oldest first */
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
    try {
      for (const [item, dueAt] of this.dueAt) {
        if (dueAt > now) break;
        this.dueAt.delete(item);
        this.overdue.add(item);
        this.late(item);
      }
    } finally {
      this.lookAgain();
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
