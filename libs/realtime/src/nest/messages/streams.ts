import { EMPTY, fromEvent, lastValueFrom, map, type Observable, share, take, takeUntil } from 'rxjs';
import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Node } from '../../node/node.js';

/** Where the limits on replies come from. */
export type StreamHost = Pick<Node, 'settings' | 'limits'>;

type Reply = (item: unknown) => void;

interface Running {
  count: number;
  /** Emits when the connection ends; all streams of a connection share this one listener. */
  readonly end: Observable<unknown>;
}

/** Sends the items of an Observable as replies, until the connection ends. */
export class Streams {
  private readonly running = new WeakMap<Connection, Running>();

  constructor(private readonly host: StreamHost) {}

  /**
   * Sends one item after another; later messages of the connection wait.
   *
   * @returns when the last item was sent or the connection has ended
   * @throws what the items or `reply` throw; MessageError `too_many_replies`
   */
  async drain(connection: Connection, items: Observable<unknown>, reply: Reply): Promise<void> {
    const { settings, limits } = this.host;
    const max = settings.maxReplies || Infinity;
    let count = 0;
    await this.untilEnd(connection, items, (item) => {
      if (++count > max && limits.reached('replies', `id=${connection.id} replies=${count}`)) {
        throw new MessageError('too_many_replies', `Too many replies to one message: at most ${max} are sent`);
      }
      reply(item);
    });
  }

  /**
   * Sends the items while later messages are handled: `@Stream()`.
   *
   * @throws MessageError `too_many_streams` when the connection has `REALTIME_MAX_QUEUED_MESSAGES` streams already
   */
  run(connection: Connection, items: Observable<unknown>, reply: Reply, failed: (error: unknown) => void): void {
    const running = this.of(connection);
    const max = this.host.settings.maxQueuedMessages;
    if (running.count >= max && this.host.limits.reached('replies', `id=${connection.id} streams=${running.count}`)) {
      throw new MessageError('too_many_streams', `Too many streams at a time: at most ${max} are open per connection`);
    }
    running.count++;
    this.untilEnd(connection, items, reply)
      .catch(failed)
      .finally(() => running.count--);
  }

  private async untilEnd(connection: Connection, items: Observable<unknown>, reply: Reply): Promise<void> {
    const { signal } = connection;
    const { end } = this.of(connection);
    const replies = signal.aborted ? EMPTY : items.pipe(takeUntil(end), map(reply));
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
