/**
 * The rooms and the user of one connection; the hub learns of every change, and those with history are followed from
 * where the client stands.
 */
import { type Awaitable, isPromise } from '../awaitable.js';
import { type Channel, channelOf } from '../command.js';
import { type JoinOptions, ReadyState } from '../connection.js';
import type { Admission } from '../handshake/admission.js';
import type { Place } from '../handshake/places.js';
import type { Identity } from '../hooks.js';
import { checkLast, checkName, tooManyRooms } from '../limits/checks.js';
import type { NodeConnection } from '../node/answers.js';
import type { Node } from '../node/node.js';
import { FollowedRooms } from './followed-rooms.js';
import { noPresence } from '../node/presence-errors.js';
import { joinFailedLine } from './log-lines.js';
import type { Outbox } from './outbox.js';

const NO_ROOMS: ReadonlySet<string> = new Set();

export class Membership {
  private readonly place: Place;
  userId: string | undefined = undefined;
  private joined?: Set<string>;
  /** Undefined where neither rooms nor users have a history. */
  private readonly followed?: FollowedRooms;
  /** What was entered before the wire was whole, and is followed then. */
  private entered?: Map<Channel, Promise<void> | undefined>;

  constructor(
    private readonly connection: NodeConnection,
    private readonly node: Node,
    { place, request }: Pick<Admission, 'place' | 'request'>,
    outbox: Outbox,
  ) {
    this.place = place;
    const { histories } = node;
    if (histories) this.followed = new FollowedRooms(connection, node, histories, outbox, request);
  }

  /** Leaves the hub, and gives the place back; what it was in stays readable. */
  end(): void {
    this.node.hub.remove(this.connection);
    this.node.presentUsers?.lose(this.connection);
    this.place.release();
  }

  get rooms(): ReadonlySet<string> {
    return this.joined ?? NO_ROOMS;
  }

  /** Enters the hub, its rooms and its user's, which the handshake has checked already. */
  begin({ userId, rooms = [] }: Identity): void {
    if (this.followed) this.entered = new Map();
    this.node.hub.add(this.connection);
    if (userId !== undefined) this.become(userId);
    for (const room of rooms) void this.enter(room);
  }

  /**
   * The wire is whole: what was missed is sent before `onOpen` runs. Rooms that it joins go on from where the client said
   * it stands.
   *
   * @param onOpen the hook
   */
  opening(onOpen: () => Awaitable<void>): () => Awaitable<void> {
    const { followed, entered } = this;
    if (!followed) return onOpen;
    this.entered = undefined;
    return () => {
      for (const [channel, held] of entered ?? []) void followed.follow(channel, held);
      return after(onOpen, () => followed.settled());
    };
  }

  /**
   * Joins a room at once.
   *
   * @param last how many of the last entries the client is sent. Default: none
   * @returns resolves when pushes of other nodes come too, or the time for that is over
   * @throws RealtimeError `bad_name`; `too_many_rooms` above `REALTIME_MAX_ROOMS_PER_CONNECTION`; `no_history`
   */
  join(room: string, { last }: JoinOptions = {}): Awaitable<void> {
    checkName('room', room, this.node);
    if (last !== undefined) checkLast(last, this.hasHistory(channelOf.room(room)), room, this.node.settings);
    if (this.hasEnded) return;
    if (this.joined?.has(room)) return this.followed?.whenJoined(channelOf.room(room));
    const max = this.node.settings.maxRoomsPerConnection;
    if (this.rooms.size >= max && this.node.limits.reached('rooms', `id=${this.connection.id} rooms=${max}`)) {
      throw tooManyRooms(max);
    }
    return this.enter(room, last);
  }

  /** Joins a room by order of the application; a failure is logged. @returns false when it failed */
  tryJoin(room: string): boolean {
    try {
      void this.join(room);
      return true;
    } catch (error) {
      this.node.log.warn(joinFailedLine(this.connection, error));
      return false;
    }
  }

  leave(room: string): void {
    if (this.hasEnded || !this.joined?.delete(room)) return;
    this.exit(channelOf.room(room));
    this.node.presentUsers?.leave(room, this.connection);
  }

  /** @throws RealtimeError as `Connection.present` */
  present(room: string, state: unknown): void {
    if (!this.node.presentUsers) throw noPresence(room);
    this.node.presentUsers.present(room, this.connection, state);
  }

  /** Binds the connection to a user, in place of the one that it had. */
  bind(userId: string): void {
    if (!this.hasEnded) this.become(userId);
  }

  private become(userId: string): void {
    const former = this.userId;
    if (former === userId) return;
    void this.enterChannel(channelOf.user(userId));
    this.userId = userId;
    this.place.bind(userId);
    if (former !== undefined) this.exit(channelOf.user(former));
    this.node.presentUsers?.rebind(this.connection);
  }

  private enter(room: string, last?: number): Promise<void> | undefined {
    (this.joined ??= new Set()).add(room);
    const held = this.enterChannel(channelOf.room(room), last);
    this.node.presentUsers?.enter(room, this.connection);
    return held;
  }

  private enterChannel(channel: Channel, last?: number): Promise<void> | undefined {
    const held = this.node.hub.enter(channel, this.connection) as Promise<void> | undefined;
    if (!this.followed || !this.hasHistory(channel)) return held;
    if (!this.entered) return this.followed.follow(channel, held, last);
    this.entered.set(channel, held);
    return held;
  }

  private exit(channel: Channel): void {
    this.entered?.delete(channel);
    this.node.hub.exit(channel, this.connection);
    this.followed?.left(channel);
  }

  private hasHistory(channel: Channel): boolean {
    return this.node.histories?.rulesOf(channel) !== undefined;
  }

  private get hasEnded(): boolean {
    return this.connection.readyState === ReadyState.CLOSED;
  }
}

/** Runs a task when a hook has settled. */
function after(hook: () => Awaitable<void>, task: () => void): Awaitable<void> {
  try {
    const result = hook();
    if (isPromise(result)) return Promise.resolve(result).finally(task);
    task();
    return result;
  } catch (error) {
    task();
    throw error;
  }
}
