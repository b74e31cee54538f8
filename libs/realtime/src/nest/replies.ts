import { concatMap, from, isObservable, Observable, of } from 'rxjs';

/**
 * What a method returned, as an Observable of replies: an Observable itself, or an async generator.
 *
 * @returns undefined when it is one reply
 */
export function asObservable(value: unknown): Observable<unknown> | undefined {
  if (isObservable(value)) return from(value).pipe(concatMap((item) => asObservable(item) ?? of(item)));
  return isAsyncIterable(value) ? fromIterable(value) : undefined;
}

/** True for what has no value yet: a promise, an Observable, an async generator. */
export function isDeferred(value: unknown): boolean {
  return isStreamLike(value) || (typeof value === 'object' && value !== null && 'then' in value);
}

/** True for an Observable and for an async generator. */
export function isStreamLike(value: unknown): boolean {
  return isObservable(value) || isAsyncIterable(value);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** As rxjs's own `from`, but the iterator is told at once when nobody listens any more, so that its `finally` runs. */
function fromIterable(iterable: AsyncIterable<unknown>): Observable<unknown> {
  return new Observable((subscriber) => {
    const iterator = iterable[Symbol.asyncIterator]();
    const pump = async (): Promise<void> => {
      while (!subscriber.closed) {
        const { done, value } = await iterator.next();
        if (done) break;
        subscriber.next(value);
      }
      subscriber.complete();
    };
    const end = async () => iterator.return?.();
    pump().catch((error: unknown) => subscriber.error(error));
    return () => {
      end().catch(() => {});
    };
  });
}
