/** A value or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** True for a promise, of any library. */
export function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
