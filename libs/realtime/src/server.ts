/** What the application injects to push from anywhere: the `Swoole\WebSocket\Server` of this world. */
import { CloseCode } from 'nestjs-realtime-protocol';
import type { Broker } from './broker.js';
import { checkClose, checkName, checkSize } from './limits/checks.js';
import { channelOf } from './command.js';
import type { Connection, ConnectionInfo } from './connection.js';
import { infoOf } from './connections/info.js';
import type { Engine } from './engine.js';
import { RealtimeError } from './errors.js';
import { Frame, type Payload, type PushOptions } from './frame.js';
import type { Stats } from './node/stats.js';
import { Target, type TargetHost } from './target.js';

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Pass it as `after` for the next page; undefined on the last one. */
  readonly next?: string;
}

const MAX_PAGE = 100;

/** A connection id: node, dot, number in base 36. */
const CURSOR = /^[^.\s]+\.[0-9a-z]+$/;

/**
 * Pushes from any controller, job or hook, also before the first client came; to nobody is no error.
 *
 * @example constructor(private readonly server: RealtimeServer) {}
 *   await this.server.toUser('7').emit('invoice', { id: 42 });
 */
export class RealtimeServer {
  private readonly host: TargetHost;

  /** @internal Made by RealtimeModule. */
  constructor(
    private readonly engine: Engine,
    broker: Broker,
  ) {
    const { settings, hub, limits } = engine;
    this.host = { settings, hub, limits, broker };
  }

  /** The open connections of this node by id, oldest first. */
  get connections(): ReadonlyMap<string, Connection> {
    return this.engine.hub.connections;
  }

  /** The open connections of this node, as `@WebSocketServer()` of `ws` has them. */
  get clients(): ReadonlySet<Connection> {
    return new Set(this.connections.values());
  }

  /** The members of a room. */
  to(room: string): Target {
    return new Target(this.host, channelOf.room(room));
  }

  /** All connections of a user: every tab and device. */
  toUser(userId: string): Target {
    return new Target(this.host, channelOf.user(userId));
  }

  toConnection(id: string): Target {
    return new Target(this.host, channelOf.connection(id));
  }

  /** Everyone, or everyone who is connected to one path. */
  toEveryone(path?: string): Target {
    return new Target(this.host, path === undefined ? channelOf.everyone : channelOf.path(path));
  }

  /**
   * Sends to one connection.
   *
   * @param id the connection's id
   * @param data a string goes as text, bytes go as binary
   * @returns false when there is no such connection or it did not take the message, as `connection.send()`
   * @throws TypeError for what is neither text nor bytes; RealtimeError `too_big`
   */
  async push(id: string, data: Payload, options?: PushOptions): Promise<boolean> {
    const frame = Frame.of(data, options?.slow);
    checkSize(frame, this.engine);
    return this.engine.hub.connections.get(id)?.deliver(frame) ?? false;
  }

  /**
   * Closes one connection; its `onClose` runs.
   *
   * @param code the close code; 4500 (default) tells the client to stay away
   * @param reason at most 123 bytes of UTF-8
   * @returns false when there is no such connection
   * @throws RangeError for a code that may not be sent; TypeError for a bad reason
   */
  async disconnect(id: string, code: number = CloseCode.DISCONNECTED, reason = ''): Promise<boolean> {
    checkClose(code, reason);
    const connection = this.engine.hub.connections.get(id);
    connection?.end(code, reason, 'server');
    return connection !== undefined;
  }

  async exists(id: string): Promise<boolean> {
    return this.engine.hub.connections.has(id);
  }

  async info(id: string): Promise<ConnectionInfo | undefined> {
    const connection = this.engine.hub.connections.get(id);
    return connection && infoOf(connection);
  }

  /**
   * Lists connections, oldest first.
   *
   * @param after the `next` of the previous page; it holds also when that connection has gone
   * @param limit items per page, 1 to 100 (default)
   * @throws RangeError for another limit; RealtimeError `bad_cursor` for an `after` that is no connection id
   */
  async list({ after, limit = MAX_PAGE }: { after?: string; limit?: number } = {}): Promise<Page<ConnectionInfo>> {
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
      throw new RangeError(`limit is a whole number from 1 to ${MAX_PAGE}, got ${limit}`);
    }
    const start = after === undefined ? 0 : this.positionAfter(after);
    const items: ConnectionInfo[] = [];
    for (const connection of this.engine.hub.connections.values()) {
      if (positionOf(connection.id) < start) continue;
      if (items.length === limit) return { items, next: items[limit - 1]!.id };
      items.push(infoOf(connection));
    }
    return { items };
  }

  /**
   * Binds a connection to a user, instead of the one it had.
   *
   * @param options `replace: true` closes the user's other connections with 4503
   * @returns false when there is no such connection
   * @throws RealtimeError `bad_name` for an empty or too long user id
   */
  async bind(id: string, userId: string, { replace = false }: { replace?: boolean } = {}): Promise<boolean> {
    const connection = this.engine.hub.connections.get(id);
    if (!connection) {
      checkName('user', userId, this.engine);
      return false;
    }
    connection.bind(userId);
    if (replace) await this.toUser(userId).except(id).disconnect(CloseCode.REPLACED, 'replaced by a newer connection');
    return true;
  }

  async stats(): Promise<Stats> {
    const { counters, hub } = this.engine;
    const rooms = hub.count(channelOf.room(''));
    const users = hub.count(channelOf.user(''));
    const { limits, slowConsumers, unfinished } = this.engine;
    const now = { current: hub.connections.size, slow: slowConsumers.count, unfinished, rooms, users };
    return { ...counters, closed: { ...counters.closed }, limits: { ...limits.counts }, ...now };
  }

  /** An id of another node or another run: nodes are listed in the order of their ids. */
  private positionAfter(cursor: string): number {
    const position = CURSOR.test(cursor) ? positionOf(cursor) : NaN;
    if (!Number.isSafeInteger(position)) throw new RealtimeError('bad_cursor', 'after is not a connection id');
    const node = cursor.slice(0, cursor.indexOf('.'));
    if (node === this.engine.nodeId) return position + 1;
    return node < this.engine.nodeId ? 0 : Infinity;
  }
}

/** The number of a connection on its node. */
function positionOf(id: string): number {
  return parseInt(id.slice(id.indexOf('.') + 1), 36);
}
