/** A value or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** True for a promise, of any library. */
export function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Goes on with a value: at once if it is there, so that a road on which nothing waits costs no promise. */
export function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

/**
 * Goes on with the result of a call, as `then` does.
 *
 * @param failed gets what `work` or `done` throws or rejects with
 */
export function settle<T, R>(
  work: () => Awaitable<T>,
  done: (result: T) => Awaitable<R>,
  failed: (error: unknown) => Awaitable<R>,
): Awaitable<R> {
  try {
    const result = then(work(), done);
    return isPromise(result) ? result.then(undefined, failed) : result;
  } catch (error) {
    return failed(error);
  }
}
