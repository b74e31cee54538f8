/** What the application injects to push from anywhere: the `Swoole\WebSocket\Server` of this world. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { channelOf } from './command.js';
import type { Connection, ConnectionInfo } from './connection.js';
import type { Engine } from './engine.js';
import { RealtimeError } from './errors.js';
import { Frame, type Payload, type PushOptions } from './frame.js';
import { checkClose, checkName, checkSize } from './limits/checks.js';
import type { Node } from './node/node.js';
import type { Stats } from './node/stats.js';
import type { Page } from './question.js';
import { Target } from './target.js';

const MAX_PAGE = 100;

/** A connection id: node, dot, number in base 36. */
const CURSOR = /^[^.\s]+\.[0-9a-z]{1,10}$/;

/**
 * Pushes from any controller, job or hook, also before the first client came; to nobody is no error.
 *
 * @example constructor(private readonly server: RealtimeServer) {}
 *   await this.server.toUser('7').emit('invoice', { id: 42 });
 */
export class RealtimeServer {
  private readonly node: Node;

  /** @internal Made by RealtimeModule. */
  constructor(private readonly engine: Engine) {
    this.node = engine.node;
  }

  /** The open connections of this node by id, oldest first. */
  get connections(): ReadonlyMap<string, Connection> {
    return this.node.hub.connections;
  }

  /** The open connections of this node, as `@WebSocketServer()` of `ws` has them. */
  get clients(): ReadonlySet<Connection> {
    return new Set(this.connections.values());
  }

  /** The members of a room. */
  to(room: string): Target {
    return new Target(this.node, channelOf.room(room));
  }

  /** All connections of a user: every tab and device. */
  toUser(userId: string): Target {
    return new Target(this.node, channelOf.user(userId));
  }

  toConnection(id: string): Target {
    return new Target(this.node, channelOf.connection(id));
  }

  /** Everyone, or everyone who is connected to one path. */
  toEveryone(path?: string): Target {
    return new Target(this.node, path === undefined ? channelOf.everyone : channelOf.path(path));
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
    checkSize(frame, this.node);
    return this.node.ask({ kind: 'order', id, action: { kind: 'push', frame } });
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
    return this.node.ask({ kind: 'order', id, action: { kind: 'disconnect', code, reason } });
  }

  async exists(id: string): Promise<boolean> {
    return this.node.ask({ kind: 'exists', id });
  }

  async info(id: string): Promise<ConnectionInfo | undefined> {
    return this.node.ask({ kind: 'info', id });
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
    if (after !== undefined && !CURSOR.test(after)) {
      throw new RealtimeError('bad_cursor', 'after is not a connection id');
    }
    return this.node.ask({ kind: 'list', after, limit });
  }

  /**
   * Binds a connection to a user, instead of the one it had.
   *
   * @param options `replace: true` closes the user's other connections with 4503
   * @returns false when there is no such connection
   * @throws RealtimeError `bad_name` for an empty or too long user id
   */
  async bind(id: string, userId: string, { replace = false }: { replace?: boolean } = {}): Promise<boolean> {
    checkName('user', userId, this.node);
    const isBound = await this.node.ask({ kind: 'order', id, action: { kind: 'bind', userId } });
    if (isBound && replace) await this.node.replaceOthers(userId, id);
    return isBound;
  }

  /** What this node has done since it started, and what it has open now. */
  async stats(): Promise<Stats> {
    const { counters, hub, limits, slowConsumers } = this.node;
    const rooms = hub.count(channelOf.room(''));
    const users = hub.count(channelOf.user(''));
    const { underWay: unfinished } = this.engine.gate;
    const now = { current: hub.connections.size, slow: slowConsumers.count, unfinished, rooms, users };
    return { ...counters, closed: { ...counters.closed }, limits: { ...limits.counts }, ...now };
  }
}
