/** Requests that are answered with a stream: a function, so that an application without streams does not carry it. */
import type * as Typed from './contract.js';
import { ClientError } from './errors.js';
import { Reader } from './listeners.js';
import type { RealtimeSocket } from './socket.js';

/** Options of `stream`. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
}

/**
 * Asks the server for a stream. Leaving the loop ends it on the server too.
 *
 * @param socket the socket that asks
 * @param event the event of a `@Stream()` method, or of one that returns an Observable or an async generator
 * @throws RequestError in the loop when the server refuses; ClientError `closed`, `aborted`, `unknown` when the connection
 *   was lost, or `too_slow` when more than 1,000 items wait
 * @example for await (const price of stream(socket, 'prices', { of: 'tea' })) show(price);
 */
export function stream<C extends Typed.Contract, E extends Typed.StreamName<C>>(
  socket: RealtimeSocket<C>,
  event: E & string,
  ...args: [...Typed.InputArgs<C, E>, options?: StreamOptions]
): AsyncIterableIterator<Typed.StreamItem<C, E>> {
  const [data, { signal } = {}] = args as unknown as [unknown, StreamOptions?];
  const abort = () => socket.cancel(id, new ClientError('aborted', `${event} was aborted`));
  const reader = new Reader<Typed.StreamItem<C, E>>(() => socket.cancel(id));
  const id = socket.ask(event, data, {
    item: (item) => reader.push(item as Typed.StreamItem<C, E>),
    finish: (error) => {
      signal?.removeEventListener('abort', abort);
      reader.finish(error);
    },
  });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return reader;
}
