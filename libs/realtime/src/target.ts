/** Road OUT, step 6: an address, and what can be done there. It is immutable: `except…` returns a new one. */
import { CloseCode } from 'nestjs-realtime-protocol';
import { type Awaitable, isPromise } from './awaitable.js';
import { type Action, type Channel, channelOf, connectionIdOf } from './command.js';
import { RealtimeError } from './errors.js';
import { eventFrame, Frame, type Payload, type RoomPushOptions } from './frame.js';
import { checkClose, checkMembers, checkName, checkSize, noHistory } from './limits/checks.js';
import { historyPage, type HistoryPage, type HistoryQuery } from './node/history-page.js';
import { type AllAnswers, mergedMembers, requireAll, sum } from './node/all-answers.js';
import type { Node } from './node/node.js';
import { countUsersOf, MAX_PAGE, usersOf } from './node/present-users.js';
import type { PresentUser } from './presence.js';
import type { AskOptions, Members, Page, Reached } from './question.js';

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
   * Sends to all members, wherever they are. Pushing to nobody is not an error. In a room with history the message is
   * kept, for those who come later.
   *
   * @param data a string is sent as text, bytes are sent as binary
   * @param options `slow`: what happens to members that are too slow; default: their gateway's policy. `key`, `volatile`:
   *   see RoomPushOptions
   * @returns a promise that resolves when every member's connection on this node and the broker have it
   * @throws TypeError for data that is neither text nor bytes; RealtimeError `too_big` above
   *   `REALTIME_MAX_BUFFERED_BYTES`, `no_history` for a `key` where nothing is kept. In a room with history also
   *   `no_binary_history` for bytes, `unavailable` or `refused` when the broker has not kept it, and `unknown` when it may
   *   have
   */
  push(data: Payload, options?: RoomPushOptions): Promise<Reached> {
    return this.promise('push', () => this.pushFrame(Frame.of(data, options?.slow), options));
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
  emit(event: string, data?: unknown, options?: RoomPushOptions): Promise<Reached> {
    return this.promise('emit', () => this.pushFrame(eventFrame(event, data, options?.slow, this.node), options));
  }

  /**
   * Reads what was pushed to a room with history, or to a user: what is kept of it. What was pushed with `except` is there
   * too.
   *
   * @returns the entries, the oldest first, or with `reverse` the newest first
   * @throws RealtimeError `no_history` for a target that keeps nothing, `bad_position` for an `after` that is not a
   *   position, `unavailable`, `refused` or `unknown` when the broker cannot be read; RangeError for a `limit` that is not
   *   1 to 1000
   * @example const { items } = await server.to('chat:1').history({ limit: 20, reverse: true });
   */
  history(options: HistoryQuery = {}): Promise<HistoryPage> {
    return this.promise('history', () => {
      const { histories } = this.node;
      if (!histories?.rulesOf(this.channel)) throw noHistory('history()');
      return historyPage(histories.kept(), this.channel, options);
    });
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
    return this.promise('presence', () => usersOf(this.node, this.channel, after, limit));
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
    return this.node.promise(what, { to: this.channel }, work);
  }

  private pushFrame(frame: Frame, options: RoomPushOptions = {}): Awaitable<Reached> {
    const { channel, excepted: except, node } = this;
    checkSize(frame, node);
    frame.isShared = connectionIdOf(channel) === undefined;
    const rules = node.histories?.rulesOf(channel);
    const { key, volatile: isVolatile } = options;
    if (key !== undefined) {
      if (!rules || isVolatile)
        throw noHistory(isVolatile ? 'A push with a key that is not volatile' : 'A push with a key');
      checkName('key', key, node);
    }
    if (!rules || isVolatile)
      return this.publish(rules ? { kind: 'push', frame, isVolatile } : { kind: 'push', frame });
    if (frame.isBinary) throw noBinary(channel);
    return node.histories!.append({ channel, except, frame }, { ...rules, key });
  }

  private without(channel: Channel): Target {
    const { node, excepted } = this;
    return excepted.includes(channel) ? this : new Target(node, this.channel, [...excepted, channel]);
  }

  private publish(action: Action): Awaitable<Reached> {
    return this.node.publish({ channel: this.channel, except: this.excepted, action });
  }
}

const noBinary = (channel: Channel) =>
  new RealtimeError(
    'no_binary_history',
    `Bytes cannot be pushed to ${channel}, which has a history: push text, or { volatile: true }`,
  );

function merged<A, R>(
  asked: Awaitable<AllAnswers<A>>,
  options: AskOptions,
  merge: (all: AllAnswers<A>) => R,
): Awaitable<R> {
  const whole = (all: AllAnswers<A>) => merge(requireAll(all, options));
  return isPromise(asked) ? asked.then(whole) : whole(asked);
}
