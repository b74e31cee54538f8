import { concatMap, from, isObservable, Observable, of } from 'rxjs';
import { isPromise } from '../awaitable.js';

/**
 * Turns what a method returned into an Observable of its replies: an Observable, or an async iterable.
 *
 * @returns undefined when the value is a single reply
 */
export function asObservable(value: unknown): Observable<unknown> | undefined {
  if (isObservable(value)) return from(value).pipe(concatMap((item) => asObservable(item) ?? of(item)));
  return isAsyncIterable(value) ? fromIterable(value) : undefined;
}

/** True for a value that is still to come: a promise, an Observable, an async iterable. */
export function isDeferred(value: unknown): boolean {
  return isStreamLike(value) || isPromise(value);
}

/** True for an Observable and for an async iterable. */
export function isStreamLike(value: unknown): boolean {
  return isObservable(value) || isAsyncIterable(value);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Like `from` of rxjs, but the iterator is returned as soon as nobody is subscribed, so that its `finally` runs. */
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
