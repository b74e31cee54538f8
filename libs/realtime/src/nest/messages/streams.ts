import { EMPTY, fromEvent, lastValueFrom, map, merge, type Observable, share, take, takeUntil } from 'rxjs';
import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Node } from '../../node/node.js';
import type { Request } from './request.js';

/** Where the limits on replies come from. */
export type StreamHost = Pick<Node, 'settings' | 'limits'>;

interface Running {
  count: number;
  /** Emits when the connection ends; all streams of a connection share this one listener. */
  readonly end: Observable<unknown>;
}

/** Sends the items of an Observable as replies, until the client cancels the request or the connection ends. */
export class Streams {
  private readonly running = new WeakMap<Connection, Running>();

  constructor(private readonly host: StreamHost) {}

  /**
   * Sends one item after another; later messages of the connection wait.
   *
   * @returns when the last item was sent, the request was cancelled or the connection has ended
   * @throws what the items or `request.send` throw; MessageError `too_many_replies`
   */
  async drain(request: Request, items: Observable<unknown>): Promise<void> {
    const { settings, limits } = this.host;
    const max = settings.maxReplies || Infinity;
    let count = 0;
    await this.untilEnd(request, items, (item) => {
      if (++count > max && limits.reached('replies', `id=${request.connection.id} replies=${count}`)) {
        throw new MessageError('too_many_replies', `Too many replies to one message: at most ${max} are sent`);
      }
      request.send(item);
    });
  }

  /**
   * Sends the items while later messages are handled, and ends the request after the last one: `@Stream()`.
   *
   * @throws MessageError `too_many_streams` when the connection has `REALTIME_MAX_STREAMS` streams already
   */
  run(request: Request, items: Observable<unknown>): void {
    const { id } = request.connection;
    const running = this.of(request.connection);
    const max = this.host.settings.maxStreams || Infinity;
    if (running.count >= max && this.host.limits.reached('streams', `id=${id} streams=${running.count}`)) {
      throw new MessageError('too_many_streams', `Too many streams at a time: at most ${max} are open per connection`);
    }
    running.count++;
    const freed = () => running.count--;
    this.untilEnd(request, items, (item) => request.send(item))
      .finally(freed)
      .then(
        () => request.finish(),
        (error: unknown) => request.fail(error),
      );
  }

  private async untilEnd(request: Request, items: Observable<unknown>, next: (item: unknown) => void): Promise<void> {
    const { connection, stopped } = request;
    const { end } = this.of(connection);
    const stop = stopped ? merge(end, stopped) : end;
    const replies = connection.signal.aborted ? EMPTY : items.pipe(takeUntil(stop), map(next));
    await lastValueFrom(replies, { defaultValue: undefined });
  }

  private of(connection: Connection): Running {
    const known = this.running.get(connection);
    if (known) return known;
    const running = { count: 0, end: fromEvent(connection.signal, 'abort').pipe(take(1), share()) };
    this.running.set(connection, running);
    return running;
  }
}
