/** The rooms and the user of one connection; the hub learns of every change. */
import type { Awaitable } from '../awaitable.js';
import { channelOf } from '../command.js';
import { ReadyState } from '../connection.js';
import type { Place } from '../handshake/places.js';
import type { Identity } from '../hooks.js';
import { checkName, tooManyRooms } from '../limits/checks.js';
import type { NodeConnection } from '../node/answers.js';
import type { Node } from '../node/node.js';
import { noPresence } from '../node/presence-errors.js';
import { joinFailedLine } from './log-lines.js';

const NO_ROOMS: ReadonlySet<string> = new Set();

export class Membership {
  userId: string | undefined = undefined;
  private joined?: Set<string>;

  constructor(
    private readonly connection: NodeConnection,
    private readonly node: Pick<Node, 'hub' | 'settings' | 'limits' | 'log' | 'presentUsers'>,
    private readonly place: Place,
  ) {}

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
    this.node.hub.add(this.connection);
    if (userId !== undefined) this.become(userId);
    for (const room of rooms) void this.enter(room);
  }

  /**
   * Joins a room at once.
   *
   * @returns resolves when pushes of other nodes come too, or the time for that is over
   * @throws RealtimeError `bad_name`; `too_many_rooms` above `REALTIME_MAX_ROOMS_PER_CONNECTION`
   */
  join(room: string): Awaitable<void> {
    checkName('room', room, this.node);
    if (this.hasEnded || this.joined?.has(room)) return;
    const max = this.node.settings.maxRoomsPerConnection;
    if (this.rooms.size >= max && this.node.limits.reached('rooms', `id=${this.connection.id} rooms=${max}`)) {
      throw tooManyRooms(max);
    }
    return this.enter(room);
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
    this.node.hub.exit(channelOf.room(room), this.connection);
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
    void this.node.hub.enter(channelOf.user(userId), this.connection);
    this.userId = userId;
    this.place.bind(userId);
    if (former !== undefined) this.node.hub.exit(channelOf.user(former), this.connection);
    this.node.presentUsers?.rebind(this.connection);
  }

  private enter(room: string): Promise<void> | undefined {
    (this.joined ??= new Set()).add(room);
    const held = this.node.hub.enter(channelOf.room(room), this.connection) as Promise<void> | undefined;
    this.node.presentUsers?.enter(room, this.connection);
    return held;
  }

  private get hasEnded(): boolean {
    return this.connection.readyState === ReadyState.CLOSED;
  }
}
