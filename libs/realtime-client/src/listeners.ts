/** Listeners by name, and async iterators over what they hear. */
import { ClientError } from './errors.js';

type Listener = (...args: never[]) => void;

/** How many items may wait for the reader of an iterator. */
const MAX_WAITING = 1000;

/** Runs a callback of the application at once. Its error is reported where uncaught ones are, and the client goes on. */
async function call(listener: (...args: unknown[]) => unknown, args: unknown[]): Promise<void> {
  try {
    await listener(...args);
  } catch (error) {
    const { reportError = console.error } = globalThis as { reportError?: (error: unknown) => void };
    reportError(error);
  }
}

export class Listeners {
  #all = new Map<string, Set<Listener>>();

  /** @returns how to stop listening */
  on(name: string, listener: Listener): () => void {
    const some = this.#all.get(name) ?? new Set();
    this.#all.set(name, some.add(listener));
    return () => this.off(name, listener);
  }

  off(name: string, listener: Listener): void {
    this.#all.get(name)?.delete(listener);
  }

  /** Calls the listeners of a name, in the order in which they came. */
  tell(name: string, ...args: unknown[]): void {
    for (const listener of [...(this.#all.get(name) ?? [])]) void call(listener as (...args: unknown[]) => void, args);
  }
}

/** A queue that one reader empties. */
export class Reader<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  #end: { error?: unknown } | undefined;
  #wake = () => {};

  /** @param stopped called once: nothing is pushed any more */
  constructor(private readonly stopped: () => void) {}

  push(item: T): void {
    if (this.#items.push(item) > MAX_WAITING) {
      this.finish(new ClientError('too_slow', `More than ${MAX_WAITING} items wait for the loop`));
    }
    this.#wake();
  }

  /** What waits is still read. */
  finish(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.stopped();
    this.#wake();
  }

  async next(): Promise<IteratorResult<T>> {
    while (!this.#items.length && !this.#end) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#items.length) return { value: this.#items.shift()!, done: false };
    const { error } = this.#end!;
    this.#end = {};
    if (error) throw error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.finish();
    this.#end = {};
    return this.next();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
