/**
 * Road OUT, step 6: the promises that this module returns to the application. One that rejects never ends the process:
 * where nobody waits for it, the log has the error and the place of the call.
 */
import { type Awaitable, isPromise } from '../awaitable.js';
import { errorField, field, label, type Log, stackOf } from '../log.js';

/** What a promise is about, for the log: a connection, a channel or a user. */
export interface About {
  /** Of the connection; none for a call that is about several. */
  readonly transport?: string;
  readonly id?: string;
  readonly to?: string;
  readonly user?: string;
}

/** A promise that knows whether somebody waits for it. */
class WatchedPromise<T> extends Promise<T> {
  /** Promises that are derived from it belong to the application. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Undefined until the first call of `then`, which `await` and `catch` make too. */
  isAwaited?: true;

  override then<R = T, E = never>(
    onFulfilled?: ((value: T) => R | PromiseLike<R>) | null,
    onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    this.isAwaited = true;
    return super.then(onFulfilled, onRejected);
  }

  /** Without this, Node would report an unhandled rejection, and end the process by default. */
  disarm(): void {
    void super.then(undefined, ignore);
  }
}

/** The promise of all calls that had nothing to wait for: hot code joins and leaves many rooms. */
const DONE = Promise.resolve(undefined);

/**
 * Calls a function, and returns a promise of its result.
 *
 * @param what was called
 * @param log gets a line with the error and its stack when the promise rejects and nobody waits for it at the end of
 *   that turn of the event loop
 * @returns rejects with what `work` throws or rejects with
 */
export function watched<T>(log: Log, what: string, about: About, work: () => Awaitable<T>): Promise<T> {
  try {
    const result = work();
    if (result === undefined) return DONE as Promise<T>;
    return isPromise(result) ? follow(log, what, about, result) : Promise.resolve(result);
  } catch (error) {
    return follow(log, what, about, Promise.reject(error));
  }
}

function follow<T>(log: Log, what: string, about: About, result: PromiseLike<T>): Promise<T> {
  const promise = new WatchedPromise<T>((resolve, reject) => {
    Promise.resolve(result).then(resolve, (error: unknown) => {
      reject(error);
      promise.disarm();
      setImmediate(() => {
        if (!promise.isAwaited) logUnawaited(log, what, about, error);
      });
    });
  });
  return promise;
}

function logUnawaited(log: Log, what: string, { transport, id, to, user }: About, error: unknown): void {
  const where = Object.entries({ id, to, user }).filter(([, value]) => value !== undefined);
  const at = where.map(([name, value]) => ` ${name}=${field(String(value))}`);
  log.error(
    `${transport ? label(transport) : 'Realtime'} ${what} failed${at.join('')} error=${errorField(error)} awaited=no`,
    stackOf(error),
  );
}

function ignore(): void {}
