/** The rooms and the user of one connection, and the hub's knowledge of them. */
import { checkName } from '../limits/checks.js';
import { channelOf } from '../command.js';
import { ReadyState } from '../connection.js';
import { RealtimeError } from '../errors.js';
import type { Identity } from '../hooks.js';
import type { Host } from '../node/node.js';
import type { LiveConnection } from './live-connection.js';

const NO_ROOMS: ReadonlySet<string> = new Set();

export class Membership {
  userId: string | undefined = undefined;
  private joined?: Set<string>;

  constructor(
    private readonly connection: LiveConnection,
    private readonly host: Pick<Host, 'hub' | 'settings' | 'limits'>,
  ) {}

  get rooms(): ReadonlySet<string> {
    return this.joined ?? NO_ROOMS;
  }

  /** Takes what the handshake has checked already. */
  begin({ userId, rooms = [] }: Identity): void {
    if (userId !== undefined) this.become(userId);
    for (const room of rooms) this.enter(room);
  }

  /** @throws RealtimeError `bad_name`, `too_many_rooms` */
  join(room: string): void {
    checkName('room', room, this.host);
    if (this.hasEnded || this.joined?.has(room)) return;
    const max = this.host.settings.maxRoomsPerConnection;
    if (this.rooms.size >= max && this.host.limits.reached('rooms', `id=${this.connection.id} rooms=${max}`)) {
      throw new RealtimeError(
        'too_many_rooms',
        `A connection is in at most ${max} rooms (REALTIME_MAX_ROOMS_PER_CONNECTION)`,
      );
    }
    this.enter(room);
  }

  leave(room: string): void {
    if (this.hasEnded || !this.joined?.delete(room)) return;
    this.host.hub.exit(channelOf.room(room), this.connection);
  }

  /** Binds to a user, instead of the one it had. @throws RealtimeError `bad_name` */
  bind(userId: string): void {
    checkName('user', userId, this.host);
    if (!this.hasEnded) this.become(userId);
  }

  private become(userId: string): void {
    if (this.userId !== undefined) this.host.hub.exit(channelOf.user(this.userId), this.connection);
    this.userId = userId;
    this.host.hub.enter(channelOf.user(userId), this.connection);
  }

  private enter(room: string): void {
    (this.joined ??= new Set()).add(room);
    this.host.hub.enter(channelOf.room(room), this.connection);
  }

  private get hasEnded(): boolean {
    return this.connection.readyState === ReadyState.CLOSED;
  }
}
