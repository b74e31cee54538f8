/** Waiting in tests: every wait has a deadline, and an error that says what was seen instead. */
import { isDeepStrictEqual, inspect } from 'node:util';
import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from 'node:timers';

/** The longest that a wait lasts unless the test says otherwise, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 5000;

/** What happens in a timer is noticed after this time; what happens otherwise, at once. */
const TIMER_CHECK_MS = 20;

/** How many of the last values or messages an error names, and how many characters of each. */
const SHOWN = 5;
const SHOWN_CHARACTERS = 120;

/** The options of `until`. */
export interface UntilOptions {
  /** The longest that it waits, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
}

/**
 * Settles as a task does, but rejects when the time is over first.
 *
 * @param late returns the error for that case
 */
export function withTimeout<T>(task: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs);
    task.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Shortens a value for an error message. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : inspect(value, { breakLength: Infinity, depth: 4 });
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

/** Shortens a list to its last items. */
export function lastOf(items: readonly string[], separator = ', '): string {
  const hidden = items.length - SHOWN;
  return (hidden > 0 ? `… (${hidden} more)${separator}` : '') + items.slice(-SHOWN).join(separator);
}

/** One call of `until`: asks again after each turn of the event loop in which something happened. */
export class Watch<T> {
  private readonly seen: string[] = [];
  private immediate?: NodeJS.Immediate;
  private isAsking = false;
  private isOver = false;

  constructor(
    private readonly look: () => T | Promise<T>,
    private readonly holds: (value: T) => boolean,
    private readonly timeoutMs: number,
    /** What is waited for, in words. */
    private readonly what: string,
  ) {}

  /** @returns the first value that holds @throws Error with the values that were seen instead */
  async run(): Promise<T> {
    const found = new Promise<T>((resolve) => this.ask(resolve));
    const timer = setInterval(() => {}, TIMER_CHECK_MS);
    try {
      return await withTimeout(found, this.timeoutMs, () => this.late());
    } finally {
      this.isOver = true;
      clearInterval(timer);
      clearImmediate(this.immediate);
    }
  }

  private ask(found: (value: T) => void): void {
    if (!this.isAsking) void this.askOnce(found);
    // It does not keep the event loop turning: it runs when the loop turns for something else
    if (!this.isOver) this.immediate = setImmediate(() => this.ask(found)).unref();
  }

  private async askOnce(found: (value: T) => void): Promise<void> {
    this.isAsking = true;
    try {
      const looked = this.look();
      const value = looked instanceof Promise ? await looked : looked;
      this.note(shown(value));
      if (this.holds(value)) found(value);
    } catch (error) {
      this.note(`an error (${String(error)})`);
    }
    this.isAsking = false;
  }

  private note(value: string): void {
    if (this.seen.at(-1) !== value) this.seen.push(value);
  }

  private late(): Error {
    const seen = this.seen.length > 0 ? lastOf(this.seen, ', then ') : 'nothing: it has not returned';
    return new Error(`Waited ${this.timeoutMs} ms for ${this.what}. Seen instead: ${seen}`);
  }
}

/** Waits until a value is as expected; see `TestApp.until`. */
export function until<T>(
  look: () => T | Promise<T>,
  expected: T | ((value: T) => boolean) = Boolean,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: UntilOptions = {},
): Promise<T> {
  const isCondition = typeof expected === 'function';
  const holds = isCondition ? (expected as (value: T) => boolean) : (value: T) => isDeepStrictEqual(value, expected);
  const goal =
    expected === Boolean ? '' : isCondition ? ` to satisfy ${source(expected)}` : ` to be ${shown(expected)}`;
  return new Watch(look, holds, timeoutMs, `${source(look)}${goal}`).run();
}

/** The code of an arrow function on one line, without its head where it takes nothing. */
function source(fn: unknown): string {
  return shown(
    String(fn)
      .replace(/\s+/g, ' ')
      .replace(/^(async )?\(\) ?=> ?/, ''),
  );
}
