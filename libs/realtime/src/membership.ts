/** The rooms and the user of one connection, and the hub's knowledge of them. */
import { checkName } from './checks.js';
import { channelOf } from './command.js';
import { ReadyState } from './connection.js';
import { RealtimeError } from './errors.js';
import type { Host } from './host.js';
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

  /** @throws RealtimeError `bad_name`, `too_many_rooms` */
  join(room: string): void {
    const { maxNameLength, maxRoomsPerConnection: max } = this.host.settings;
    checkName('room', room, maxNameLength);
    if (this.hasEnded || this.joined?.has(room)) return;
    if (this.rooms.size >= max && this.host.limits.reached('rooms', `id=${this.connection.id} rooms=${max}`)) {
      throw new RealtimeError(
        'too_many_rooms',
        `A connection is in at most ${max} rooms (REALTIME_MAX_ROOMS_PER_CONNECTION)`,
      );
    }
    (this.joined ??= new Set()).add(room);
    this.host.hub.enter(channelOf.room(room), this.connection);
  }

  leave(room: string): void {
    if (this.hasEnded || !this.joined?.delete(room)) return;
    this.host.hub.exit(channelOf.room(room), this.connection);
  }

  /** Binds to a user, instead of the one it had. @throws RealtimeError `bad_name` */
  bind(userId: string): void {
    checkName('user', userId, this.host.settings.maxNameLength);
    if (this.hasEnded) return;
    if (this.userId !== undefined) this.host.hub.exit(channelOf.user(this.userId), this.connection);
    this.userId = userId;
    this.host.hub.enter(channelOf.user(userId), this.connection);
  }

  private get hasEnded(): boolean {
    return this.connection.readyState === ReadyState.CLOSED;
  }
}
