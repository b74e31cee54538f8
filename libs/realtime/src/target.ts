/** Road OUT, step 6: an address, and what can be done there. It is immutable: `except…` returns a new one. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { type Awaitable, isPromise } from './awaitable.js';
import { type Action, type Channel, channelOf, connectionIdOf } from './command.js';
import { eventFrame, Frame, type Payload, type PushOptions } from './frame.js';
import { checkClose, checkMembers, checkName, checkSize } from './limits/checks.js';
import { type AllAnswers, mergedMembers, requireAll, sum } from './node/all-answers.js';
import type { Node } from './node/node.js';
import { countUsersOf, usersOf } from './node/present-users.js';
import type { PresentUser } from './presence.js';
import type { AskOptions, Members, Page, Reached } from './question.js';

const MAX_PAGE = 100;

/**
 * The members of a room, the connections of a user, one connection, or everyone.
 *
 * @example await server.to('lobby').except(connection.id).emit('joined', { name });
 */
export class Target {
  /** @internal */
  constructor(
    private readonly node: Node,
    private readonly channel: Channel,
    private readonly excepted: readonly Channel[] = [],
  ) {}

  /**
   * Leaves out one connection. Several calls of the three methods `except…` add up.
   *
   * @param connectionId a connection's id; one that does not exist leaves out nobody
   * @returns a new target
   */
  except(connectionId: string): Target {
    return this.without(channelOf.connection(connectionId));
  }

  /**
   * Leaves out the connections that are in a room when the message is delivered.
   *
   * @param room the name of a room; one that has no members leaves out nobody
   * @returns a new target
   * @example await server.to('lobby').exceptRoom('muted').emit('say', { text });
   */
  exceptRoom(room: string): Target {
    return this.without(channelOf.room(room));
  }

  /**
   * Leaves out all connections of a user.
   *
   * @param userId a user's id; one who is not connected leaves out nobody
   * @returns a new target
   * @example await server.to('lobby').exceptUser(message.authorId).emit('said', message);
   */
  exceptUser(userId: string): Target {
    return this.without(channelOf.user(userId));
  }

  /**
   * Sends to all members, wherever they are. Pushing to nobody is not an error.
   *
   * @param data a string is sent as text, bytes are sent as binary
   * @param options `slow`: what happens to members that are too slow; default: their gateway's policy
   * @returns a promise that resolves when every member's connection on this node and the broker have it
   * @throws TypeError for data that is neither text nor bytes; RealtimeError `too_big` above
   *   `REALTIME_MAX_BUFFERED_BYTES`
   */
  push(data: Payload, options?: PushOptions): Promise<Reached> {
    return this.promise('push', () => this.pushFrame(Frame.of(data, options?.slow)));
  }

  /**
   * Sends a `{ event, data }` envelope as text to all members.
   *
   * @param event the event's name, 1 to `REALTIME_MAX_NAME_LENGTH` characters
   * @param data anything that JSON can hold
   * @param options as for `push`
   * @throws TypeError when `data` cannot be encoded as JSON; RealtimeError `bad_name` for any other name, `too_big` as
   *   for `push`
   */
  emit(event: string, data?: unknown, options?: PushOptions): Promise<Reached> {
    return this.promise('emit', () => this.pushFrame(eventFrame(event, data, options?.slow, this.node)));
  }

  /** Puts all members into a room. @throws RealtimeError `bad_name` for an empty or too long name */
  join(room: string): Promise<Reached> {
    return this.promise('join', () => {
      checkName('room', room, this.node);
      return this.publish({ kind: 'join', room });
    });
  }

  /** Takes all members out of a room. */
  leave(room: string): Promise<Reached> {
    return this.promise('leave', () => this.publish({ kind: 'leave', room }));
  }

  /**
   * Closes all members' connections.
   *
   * @param code the close code; 4500 (default) means that clients should not reconnect, 4000–4499 that they may
   * @param reason at most 123 bytes of UTF-8; default: an empty string
   * @throws RangeError for a code that may not be sent; TypeError for a reason that is not a string or is too long
   */
  disconnect(code: number = CloseCode.DISCONNECTED, reason = ''): Promise<Reached> {
    return this.promise('disconnect', () => {
      checkClose(code, reason);
      return this.publish({ kind: 'disconnect', code, reason });
    });
  }

  /**
   * Lists the members on all nodes.
   *
   * @returns the members; `missing` names the nodes that have not answered in time
   * @throws RealtimeError `too_many_members` for more than `REALTIME_MAX_MEMBERS`; `incomplete` with `{ exact: true }`
   *   when a node has not answered
   */
  members(options: AskOptions = {}): Promise<Members> {
    const { channel, excepted: except, node } = this;
    const max = node.settings.maxMembers;
    return this.promise('members', () =>
      merged(node.askAll({ kind: 'members', channel, except }), options, (all) =>
        mergedMembers(all, max, (found) => checkMembers(found, node)),
      ),
    );
  }

  /**
   * Counts the members on all nodes.
   *
   * @throws RealtimeError `incomplete` with `{ exact: true }` when a node has not answered in time; without it, its
   *   members are not counted
   */
  count(options: AskOptions = {}): Promise<number> {
    const { channel, excepted: except } = this;
    return this.promise('count', () =>
      merged(this.node.askAll({ kind: 'count', channel, except }), options, ({ answers }) => sum(answers)),
    );
  }

  /**
   * Lists the users of a room with `presence`, in the order of their ids: each once, over all nodes.
   *
   * @param after the `next` of the page before; it stays valid when that user has left
   * @param limit users per page, 1 to 100 (default)
   * @returns the page, with the nodes that have not answered in `missing`
   * @throws RangeError for any other limit; RealtimeError `no_presence` for a room without, and for what is not a room
   * @example const { items } = await server.to('doc:7').presence();
   */
  presence({ after, limit = MAX_PAGE }: { after?: string; limit?: number } = {}): Promise<Page<PresentUser>> {
    return this.promise('presence', () => {
      if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
        throw new RangeError(`limit must be a whole number from 1 to ${MAX_PAGE}, got ${limit}`);
      return usersOf(this.node, this.channel, after, limit);
    });
  }

  /**
   * Counts the users of a room with `presence`, over all nodes, without listing them.
   *
   * @throws RealtimeError `no_presence` as for `presence()`; `incomplete` with `{ exact: true }` when a node has not
   *   answered in time
   */
  countUsers(options: AskOptions = {}): Promise<number> {
    return this.promise('countUsers', () => countUsersOf(this.node, this.channel, options));
  }

  /**
   * @returns whether anybody is connected, on any node
   * @throws RealtimeError `incomplete` with `{ exact: true }` when nobody was found and a node has not answered in time
   * @example if (!(await server.toUser('7').isOnline())) await mail(user);
   */
  isOnline(options: AskOptions = {}): Promise<boolean> {
    const { channel, excepted: except } = this;
    return this.promise('isOnline', async () => {
      const all = await this.node.askAll({ kind: 'count', channel, except });
      return sum(all.answers) > 0 || sum(requireAll(all, options).answers) > 0;
    });
  }

  private promise<T>(what: string, work: () => Awaitable<T>): Promise<T> {
    return this.node.promise({ what, to: this.channel }, work);
  }

  private pushFrame(frame: Frame): Awaitable<Reached> {
    checkSize(frame, this.node);
    frame.isShared = connectionIdOf(this.channel) === undefined;
    return this.publish({ kind: 'push', frame });
  }

  private without(channel: Channel): Target {
    const { node, excepted } = this;
    return excepted.includes(channel) ? this : new Target(node, this.channel, [...excepted, channel]);
  }

  private publish(action: Action): Awaitable<Reached> {
    return this.node.publish({ channel: this.channel, except: this.excepted, action });
  }
}

function merged<A, R>(
  asked: Awaitable<AllAnswers<A>>,
  options: AskOptions,
  merge: (all: AllAnswers<A>) => R,
): Awaitable<R> {
  const whole = (all: AllAnswers<A>) => merge(requireAll(all, options));
  return isPromise(asked) ? asked.then(whole) : whole(asked);
}
