import type { Connection } from '../../connection.js';
import type { Request, RequestId, RequestOwner } from './request.js';

interface OfConnection {
  readonly open: Map<RequestId, Request>;
  /** Requests that were cancelled before their turn came, and how many `rt:cancel` of each wait for their own turn. */
  readonly cancelled: Map<RequestId, number>;
}

/**
 * The requests with an id that have no end yet, per connection: the one that is being handled, and the streams. Those
 * that were cancelled early are messages that wait. The bounds of messages and streams are therefore bounds of these.
 */
export class OpenRequests implements RequestOwner {
  private readonly byConnection = new WeakMap<Connection, OfConnection>();

  /** Called when the turn of a request comes. @returns false when another request with its id is open */
  begin(request: Request): boolean {
    const { open, cancelled } = this.of(request.connection);
    if (open.has(request.id)) return false;
    open.set(request.id, request);
    if (cancelled.has(request.id)) request.cancel();
    return true;
  }

  end({ connection, id }: Request): void {
    this.of(connection).open.delete(id);
  }

  /** An `rt:cancel` was received that has to wait for its turn: a stream before it would keep it waiting for ever. */
  cancelEarly(connection: Connection, id: RequestId): void {
    const { open, cancelled } = this.of(connection);
    cancelled.set(id, (cancelled.get(id) ?? 0) + 1);
    open.get(id)?.cancel();
  }

  /** The turn of an `rt:cancel` has come: every request that was sent before it has begun. */
  cancel(connection: Connection, id: RequestId): void {
    const { open, cancelled } = this.of(connection);
    const waiting = (cancelled.get(id) ?? 0) - 1;
    if (waiting > 0) cancelled.set(id, waiting);
    else cancelled.delete(id);
    open.get(id)?.cancel();
  }

  private of(connection: Connection): OfConnection {
    const known = this.byConnection.get(connection);
    if (known) return known;
    const created: OfConnection = { open: new Map(), cancelled: new Map() };
    this.byConnection.set(connection, created);
    return created;
  }
}
