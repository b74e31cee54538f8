/** The service that the application injects to push from anywhere, as `Swoole\WebSocket\Server` does in Swoole. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { hostname } from 'node:os';
import { isPromise } from './awaitable.js';
import { type Channel, channelOf } from './command.js';
import type { Connection, ConnectionInfo } from './connection.js';
import type { Engine } from './engine.js';
import { RealtimeError } from './errors.js';
import { Frame, type Payload, type PushOptions } from './frame.js';
import { checkClose, checkName, checkReplace, checkSize } from './limits/checks.js';
import { mergedPage, mergedRecheck } from './node/all-answers.js';
import type { Node, Replace } from './node/node.js';
import { type ClusterStats, clusterStats } from './node/cluster-stats.js';
import type { Stats } from './stats.js';
import type { OtherNode } from './broker.js';
import type { Page, Rechecked } from './question.js';
import { Target } from './target.js';
import type { TargetOf } from './typed-target.js';

const MAX_PAGE = 100;

/** A connection id: node, dot, number in base 36. */
const CURSOR = /^[^.\s]+\.[0-9a-z]{1,10}$/;

/**
 * Pushes from any controller, job or hook, even before the first client has connected. Pushing to nobody is not an
 * error.
 *
 * @typeParam C a contract, which types `emit`: `RealtimeServer<Chat>`; default: any event may be emitted
 * @example constructor(private readonly server: RealtimeServer) {}
 *   await this.server.toUser('7').emit('invoice', { id: 42 });
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
export class RealtimeServer<C = any> {
  private readonly node: Node;

  /** @internal Created by RealtimeModule. */
  constructor(engine: Engine) {
    this.node = engine.node;
  }

  /** The open connections of this node by id, oldest first. */
  get connections(): ReadonlyMap<string, Connection<C>> {
    return this.node.hub.connections;
  }

  /** The open connections of this node as a Set, like the `clients` of a `ws` server. */
  get clients(): ReadonlySet<Connection<C>> {
    return new Set(this.connections.values());
  }

  /** Addresses the members of a room. A room without members is not an error. */
  to(room: string): TargetOf<C> {
    return this.target(channelOf.room(room));
  }

  /** Addresses all connections of a user: every tab and device. */
  toUser(userId: string): TargetOf<C> {
    return this.target(channelOf.user(userId));
  }

  /** Addresses one connection by its id. */
  toConnection(id: string): TargetOf<C> {
    return this.target(channelOf.connection(id));
  }

  /** Addresses everyone, or everyone who is connected to the gateway of one path. */
  toEveryone(path?: string): TargetOf<C> {
    return this.target(path === undefined ? channelOf.everyone : channelOf.path(path));
  }

  /**
   * Sends to one connection.
   *
   * @param id the connection's id
   * @param data a string is sent as text, bytes are sent as binary
   * @param options `slow`: what happens if the client is too slow; default: the gateway's policy
   * @returns false when no such connection exists or it did not take the message (see `connection.send()`)
   * @throws TypeError for data that is neither text nor bytes; RealtimeError `too_big` above
   *   `REALTIME_MAX_BUFFERED_BYTES`
   */
  push(id: string, data: Payload, options?: PushOptions): Promise<boolean> {
    return this.node.promise('push', { id }, () => {
      const frame = Frame.of(data, options?.slow);
      checkSize(frame, this.node);
      return this.node.ask({ kind: 'order', id, action: { kind: 'push', frame } });
    });
  }

  /**
   * Closes one connection; its `onClose` runs.
   *
   * @param code the close code; 4500 (default) means that the client should not reconnect
   * @param reason at most 123 bytes of UTF-8; default: an empty string
   * @returns false when no such connection exists
   * @throws RangeError for a code that may not be sent; TypeError for a reason that is not a string or is too long
   */
  disconnect(id: string, code: number = CloseCode.DISCONNECTED, reason = ''): Promise<boolean> {
    return this.node.promise('disconnect', { id }, () => {
      checkClose(code, reason);
      return this.node.ask({ kind: 'order', id, action: { kind: 'disconnect', code, reason } });
    });
  }

  /** @returns true when a connection with this id is open */
  exists(id: string): Promise<boolean> {
    return this.node.promise('exists', { id }, () => this.node.ask({ kind: 'exists', id }));
  }

  /** @returns a copy of what is known of a connection; undefined when none with this id is open */
  info(id: string): Promise<ConnectionInfo | undefined> {
    return this.node.promise('info', { id }, () => this.node.ask({ kind: 'info', id }));
  }

  /**
   * Lists connections, oldest first.
   *
   * @param after the `next` of the previous page; it stays valid when that connection has closed
   * @param limit items per page, 1 to 100 (default)
   * @throws RangeError for any other limit; RealtimeError `bad_cursor` for an `after` that is not a connection id
   */
  list({ after, limit = MAX_PAGE }: { after?: string; limit?: number } = {}): Promise<Page<ConnectionInfo>> {
    return this.node.promise('list', {}, () => {
      checkPage(limit, after);
      const pages = this.node.askAll({ kind: 'list', after, limit });
      return isPromise(pages) ? pages.then((all) => mergedPage(all, limit)) : mergedPage(pages, limit);
    });
  }

  /**
   * Binds a connection to a user, in place of the user that it had.
   *
   * @param id the connection's id
   * @param userId 1 to `REALTIME_MAX_NAME_LENGTH` characters
   * @param options `replace: true` closes the user's other connections with 4503, `replace: { keep: 3 }` the oldest on
   *   this node, so that three are left; default: false
   * @returns false when no such connection exists
   * @throws RealtimeError `bad_name` for any other user id, `too_many_connections` above
   *   `REALTIME_MAX_CONNECTIONS_PER_USER` (not with `replace`), `bad_keep` for a `keep` below 1
   */
  bind(id: string, userId: string, { replace = false }: { replace?: Replace } = {}): Promise<boolean> {
    return this.node.promise('bind', { id }, async () => {
      checkName('user', userId, this.node);
      checkReplace(replace);
      const action = { kind: 'bind', userId, replaces: Boolean(replace) } as const;
      const isBound = await this.node.ask({ kind: 'order', id, action });
      if (isBound && replace) await this.node.replace(userId, id, replace);
      return isBound;
    });
  }

  /**
   * Asks the guards of a user's connections again: one that is refused with 401 or 403 is closed with 4501. Whatever else
   * a guard throws is logged, and the connection stays. Use it when you have revoked an access.
   *
   * @returns how many connections were asked, and how many of them are closed
   * @throws RealtimeError `not_kept` if a connection of the user has no request to ask with: set `recheck: true` in
   *   `@WebSocketGateway()`, or `REALTIME_RECHECK_INTERVAL`
   * @example await this.server.recheck(user.id);
   */
  recheck(userId: string): Promise<Rechecked> {
    return this.node.promise('recheck', { user: userId }, async () =>
      mergedRecheck(await this.node.askAll({ kind: 'recheck', userId })),
    );
  }

  /** Counts what this node has done since it started, and what it has open now. */
  async stats(): Promise<Stats> {
    return this.node.stats();
  }

  /**
   * Counts what all nodes have done, and what they have open now.
   *
   * @returns the sums, and the counts of each node that has answered in time
   */
  clusterStats(): Promise<ClusterStats> {
    return this.node.promise('clusterStats', {}, async () => clusterStats(await this.node.askAll({ kind: 'stats' })));
  }

  /** The nodes of the cluster: this one first, then the others that are known, in the order of their ids. */
  nodes(): readonly NodeInfo[] {
    const { id, counters, broker } = this.node;
    const self = { id, host: hostname(), pid: process.pid, startedAt: counters.startedAt, ...this.node.facts() };
    return [{ ...self, isThis: true }, ...broker.nodes().map((node) => ({ ...node, isThis: false }))];
  }

  private target(channel: Channel): TargetOf<C> {
    return new Target(this.node, channel) as unknown as TargetOf<C>;
  }
}

/** A node of the cluster, as it announced itself last. */
export interface NodeInfo extends OtherNode {
  /** True for the node that was asked. */
  readonly isThis: boolean;
}

function checkPage(limit: number, after: string | undefined): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, got ${limit}`);
  if (after !== undefined && !CURSOR.test(after))
    throw new RealtimeError('bad_cursor', 'after is not a connection id: pass the next of the previous page');
}
