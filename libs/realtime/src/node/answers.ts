/** Road OUT, step 8: the answers of this node to questions about its connections. */
import type { Awaitable } from '../awaitable.js';
import { channelOf } from '../command.js';
import type { Connection, ConnectionInfo } from '../connection.js';
import { RealtimeError } from '../errors.js';
import type { Hub, HubMember } from '../hub.js';
import { checkMembers } from '../limits/checks.js';
import type { Limits } from '../limits/limits.js';
import type { Answer, Member, Question, QuestionKind } from '../question.js';
import { numberOf } from '../roll.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { Stats } from '../stats.js';
import type { NodePresence } from './node-presence.js';

/** A connection as its node knows it. */
export interface NodeConnection extends Connection, HubMember {
  /** @returns a copy of its public facts */
  info(): ConnectionInfo;
  /** Asks its guards, if any, again. @returns whether it may stay; undefined when its request was not kept */
  recheck(): Promise<boolean> | undefined;
}

type Answering = { readonly [K in QuestionKind]: (question: Question<K>) => Awaitable<Answer<K>> };

export class Answers implements Answering {
  constructor(
    private readonly nodeId: string,
    private readonly hub: Hub<NodeConnection>,
    readonly settings: Pick<RealtimeSettings, 'maxMembers' | 'maxConnectionsPerUser'>,
    readonly limits: Pick<Limits, 'reached'>,
    /** What this node has counted. */
    readonly stats: () => Stats,
    private readonly presentUsers?: NodePresence,
  ) {}

  /** Answers a question. @throws RealtimeError `too_many_members` above `REALTIME_MAX_MEMBERS` */
  to<K extends QuestionKind>(question: Question<K>): Awaitable<Answer<K>> {
    return (this as Answering)[question.kind](question as never) as Awaitable<Answer<K>>;
  }

  /** @throws RealtimeError `too_many_connections` for a user who has all the connections they may have */
  order({ id, action, except = [] }: Question<'order'>): boolean {
    const connection = this.find(id);
    if (!connection || this.hub.isIn(except, connection)) return false;
    if (action.kind === 'bind' && !action.replaces) this.requireUser(action.userId, connection);
    return connection.obey(action);
  }

  exists({ id }: Question<'exists'>): boolean {
    return this.find(id) !== undefined;
  }

  info({ id }: Question<'info'>): Answer<'info'> {
    return this.find(id)?.info();
  }

  /** The oldest connections after the cursor, in the order of their ids. */
  list({ after, limit }: Question<'list'>): Answer<'list'> {
    const found = this.hub.roll.from(after === undefined ? 0 : this.numberAfter(after), limit + 1);
    const items = found.slice(0, limit).map((connection) => connection.info());
    return found.length > limit ? { items, next: items[limit - 1]!.id } : { items };
  }

  members({ channel, except }: Question<'members'>): Answer<'members'> {
    const { hub } = this;
    checkMembers(hub.size(channel), this);
    const found: Member[] = [];
    for (const { id, userId } of hub.membersExcept(channel, except)) found.push({ id, userId });
    return found;
  }

  count({ channel, except }: Question<'count'>): number {
    const { hub } = this;
    if (except.length === 0) return hub.size(channel);
    let found = 0;
    for (const _member of hub.membersExcept(channel, except)) found++;
    return found;
  }

  /** Asks the guards of a user's connections on this node again. */
  async recheck({ userId }: Question<'recheck'>): Promise<Answer<'recheck'>> {
    const asked = [...this.hub.members(channelOf.user(userId))].map((connection) => connection.recheck());
    const kept = asked.filter((answer) => answer !== undefined);
    const stayed = (await Promise.all(kept)).filter(Boolean).length;
    return { checked: kept.length, closed: kept.length - stayed, notKept: asked.length - kept.length };
  }

  presence(question: Question<'presence'>): Answer<'presence'> {
    return this.presentUsers?.page(question) ?? { users: [], hasMore: false };
  }

  users({ room }: Question<'users'>): number {
    return this.presentUsers?.count(room) ?? 0;
  }

  private requireUser(userId: string, connection: NodeConnection): void {
    const { settings, hub, limits } = this;
    const max = settings.maxConnectionsPerUser;
    const open = hub.size(channelOf.user(userId));
    if (max === 0 || open < max || connection.userId === userId) return;
    if (!limits.reached('connectionsPerUser', `id=${connection.id} open=${open}`)) return;
    throw new RealtimeError(
      'too_many_connections',
      `The user has ${open} connections, and may have ${max} (REALTIME_MAX_CONNECTIONS_PER_USER): close one first`,
    );
  }

  private find(id: string): NodeConnection | undefined {
    return this.hub.connections.get(id);
  }

  /** The cursor may come from another node or an earlier run: nodes are listed in the order of their ids. */
  private numberAfter(cursor: string): number {
    const node = cursor.slice(0, cursor.indexOf('.'));
    if (node === this.nodeId) return numberOf(cursor) + 1;
    return node < this.nodeId ? 0 : Infinity;
  }
}
