import { EMPTY, fromEvent, lastValueFrom, map, type Observable, share, take, takeUntil } from 'rxjs';
import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Node } from '../../node/node.js';

/** What bounds the replies to one message. */
export type StreamHost = Pick<Node, 'settings' | 'limits'>;

type Reply = (item: unknown) => void;

interface Running {
  count: number;
  /** Emits when the connection ends: one listener, however many streams it has. */
  readonly end: Observable<unknown>;
}

/** Replies that come one after another: they stop when the connection ends. */
export class Streams {
  private readonly running = new WeakMap<Connection, Running>();

  constructor(private readonly host: StreamHost) {}

  /**
   * Sends one item after another; what comes after waits for it.
   *
   * @returns when the last was sent, or the connection has ended
   * @throws what the items or `reply` fail with; MessageError `too_many_replies`
   */
  async drain(connection: Connection, items: Observable<unknown>, reply: Reply): Promise<void> {
    const { settings, limits } = this.host;
    const max = settings.maxReplies || Infinity;
    let count = 0;
    await this.untilEnd(connection, items, (item) => {
      if (++count > max && limits.reached('replies', `id=${connection.id} replies=${count}`)) {
        throw new MessageError('too_many_replies', `At most ${max} replies to one message`);
      }
      reply(item);
    });
  }

  /**
   * The same beside what comes after: `@Stream()`.
   *
   * @throws MessageError `too_many_streams` when the connection has as many as messages of it may wait
   */
  run(connection: Connection, items: Observable<unknown>, reply: Reply, failed: (error: unknown) => void): void {
    const running = this.of(connection);
    const max = this.host.settings.maxQueuedMessages;
    if (running.count >= max && this.host.limits.reached('replies', `id=${connection.id} streams=${running.count}`)) {
      throw new MessageError('too_many_streams', `At most ${max} streams at a time`);
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
