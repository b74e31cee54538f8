/** Road OUT, step 8: the answers of this node to questions about its connections. */
import type { Connection, ConnectionInfo } from '../connection.js';
import { RealtimeError } from '../errors.js';
import type { Hub, HubMember } from '../hub.js';
import type { Limits } from '../limits/limits.js';
import type { Answer, Question, QuestionKind } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';

/** A connection as its node knows it. */
export interface NodeConnection extends Connection, HubMember {
  /** @returns a copy of its public facts */
  info(): ConnectionInfo;
}

type Answering = { readonly [K in QuestionKind]: (question: Question<K>) => Answer<K> };

export class Answers implements Answering {
  constructor(
    private readonly nodeId: string,
    private readonly hub: Hub<NodeConnection>,
    private readonly settings: Pick<RealtimeSettings, 'maxMembers'>,
    private readonly limits: Pick<Limits, 'reached'>,
  ) {}

  /** Answers a question. @throws RealtimeError `too_many_members` above `REALTIME_MAX_MEMBERS` */
  to<K extends QuestionKind>(question: Question<K>): Answer<K> {
    return (this as Answering)[question.kind](question as never) as Answer<K>;
  }

  order({ id, action }: Question<'order'>): boolean {
    return this.find(id)?.obey(action) ?? false;
  }

  exists({ id }: Question<'exists'>): boolean {
    return this.find(id) !== undefined;
  }

  info({ id }: Question<'info'>): Answer<'info'> {
    return this.find(id)?.info();
  }

  /**
   * The oldest connections after the cursor, in the order of their ids. The hub has them in the order in which they
   * opened, and one that had to authenticate first opens late.
   */
  list({ after, limit }: Question<'list'>): Answer<'list'> {
    const start = after === undefined ? 0 : this.positionAfter(after);
    const found: (readonly [position: number, connection: NodeConnection])[] = [];
    for (const connection of this.hub.connections.values()) {
      const position = positionOf(connection.id);
      if (position >= start) found.push([position, connection]);
    }
    const items = found
      .sort(([one], [other]) => one - other)
      .slice(0, limit)
      .map(([, connection]) => connection.info());
    return found.length > limit ? { items, next: items[limit - 1]!.id } : { items };
  }

  members({ channel, except }: Question<'members'>): Answer<'members'> {
    const { hub, settings, limits } = this;
    const max = settings.maxMembers;
    const size = hub.size(channel);
    if (size > max && limits.reached('members', `members=${size}`)) {
      throw new RealtimeError(
        'too_many_members',
        `members() returns at most ${max} (REALTIME_MAX_MEMBERS), this target has ${size}: use count()`,
      );
    }
    const found: Answer<'members'> = [];
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

  private find(id: string): NodeConnection | undefined {
    return this.hub.connections.get(id);
  }

  /** The cursor may come from another node or an earlier run: nodes are listed in the order of their ids. */
  private positionAfter(cursor: string): number {
    const node = cursor.slice(0, cursor.indexOf('.'));
    if (node === this.nodeId) return positionOf(cursor) + 1;
    return node < this.nodeId ? 0 : Infinity;
  }
}

/** @returns the number of a connection on its node */
function positionOf(id: string): number {
  return parseInt(id.slice(id.indexOf('.') + 1), 36);
}
