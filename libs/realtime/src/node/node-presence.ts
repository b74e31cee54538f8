/**
 * Presence as this node uses it: connections enter and leave its rooms, members and hooks are told what changes, and the
 * application reads who is there.
 */
import { encodeEnvelope } from 'nestjs-realtime-protocol';
import type { Broker } from '../broker.js';
import { systemClock } from '../cluster/clock.js';
import { RealtimeError } from '../errors.js';
import { Frame } from '../frame.js';
import { PresenceChange, type PresenceMessage, type PresenceSink } from '../presence.js';
import type { PresenceRoom, RoomChange } from '../presence/presence-room.js';
import { type PresenceListener, PresenceRooms } from '../presence/presence-rooms.js';
import { rowOf } from '../presence/slot.js';
import type { Answer, Question } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { NodeConnection } from './answers.js';
import type { Node } from './node.js';
import { noPresence, stateOf } from './presence-errors.js';

type Room = PresenceRoom<NodeConnection>;

/** What a client is told of a user. */
interface ToldUser {
  readonly id: string;
  readonly state?: unknown;
  readonly sinceMs: number;
  readonly connections: number;
}

/** The most users in the list that a new member is sent, and in one event. */
const MAX_TOLD = 1000;
/** The most bytes of their states in that list. */
const MAX_TOLD_BYTES = 65_536;

export class NodePresence implements PresenceListener<NodeConnection> {
  readonly rooms: PresenceRooms<NodeConnection>;
  /** Whoever wants to know of changes; nest/ fills it at boot. What one throws is logged. */
  readonly handlers: ((change: PresenceChange) => unknown)[] = [];

  private constructor(
    private readonly node: Pick<Node, 'id' | 'settings' | 'limits' | 'failed'>,
    broker: Broker,
  ) {
    const { settings } = node;
    const times = {
      askMs: settings.askTimeout * 1000,
      announceMs: settings.announceInterval * 1000,
      spreadMs: settings.reconnectSpread * 1000,
    };
    const options = { self: node.id, clock: systemClock, maxUsers: settings.maxPresenceUsers, ...times };
    const link = {
      hold: (channel: string) => broker.hold(channel),
      release: (channel: string) => broker.release(channel),
      share: (channel: string, message: PresenceMessage) => broker.share(channel, message),
    };
    this.rooms = new PresenceRooms({ ...options, graceMs: (room) => graceMs(settings, room) }, link, this);
  }

  /** @returns undefined where no room has presence */
  static of(node: Pick<Node, 'id' | 'settings' | 'limits' | 'failed'>, broker: Broker): NodePresence | undefined {
    return node.settings.rooms.hasPresence ? new NodePresence(node, broker) : undefined;
  }

  get sink(): PresenceSink {
    return this.rooms;
  }

  /** How many users this node lists, for each room once. */
  get size(): number {
    let size = 0;
    for (const { own } of this.rooms.all.values()) size += own.size;
    return size;
  }

  // --- connections ---

  enter(room: string, connection: NodeConnection): void {
    this.rooms.enter(room, connection, connection.userId);
  }

  leave(room: string, connection: NodeConnection): void {
    this.rooms.leave(room, connection);
  }

  /** The connection has ended. */
  lose(connection: NodeConnection): void {
    for (const room of connection.rooms) this.rooms.lose(room, connection);
  }

  /** The connection has another user now. */
  rebind(connection: NodeConnection): void {
    for (const room of connection.rooms) this.rooms.rebind(room, connection, connection.userId);
  }

  /**
   * Presents a state of a connection in a room.
   *
   * @throws RealtimeError `no_presence`, `not_in_room`, `bad_state`, `too_big`
   */
  present(room: string, connection: NodeConnection, state: unknown): void {
    this.require(room);
    if (!connection.isOpen) return;
    if (!connection.rooms.has(room))
      throw new RealtimeError(
        'not_in_room',
        `The connection is not in the room ${JSON.stringify(room)}: join it first`,
      );
    this.rooms.present(room, connection, stateOf(state, this.node));
  }

  // --- reading ---

  /** @throws RealtimeError `no_presence` for a room that has none */
  require(room: string): void {
    if (this.node.settings.rooms.find(room)?.presence) return;
    throw noPresence(room);
  }

  /** @returns whether this node has connections in a room and knows who is there */
  knows(room: string): boolean {
    return this.rooms.all.has(room);
  }

  /** Resolves when the other nodes have said who is there, within `REALTIME_ASK_TIMEOUT`. @returns who has not */
  async settled(room: string): Promise<readonly string[]> {
    await this.rooms.all.get(room)?.whenSettled();
    return this.rooms.awaited(room);
  }

  /** What this node knows of the users of a room, in the order of their ids; nothing without connections there. */
  page({ room: name, after, limit }: Question<'presence'>): Answer<'presence'> {
    const room = this.rooms.all.get(name);
    if (!room) return { users: [], hasMore: false };
    const now = systemClock.now();
    const ids = room.page(after, limit + 1);
    const users = ids.slice(0, limit).flatMap((id) => {
      const merged = room.merged(id);
      return merged ? [rowOf(id, merged, now)] : [];
    });
    return { users, hasMore: ids.length > limit };
  }

  count(room: string): number {
    return this.rooms.all.get(room)?.count ?? 0;
  }

  // --- as the listener of its rooms ---

  changed(room: Room, changes: readonly RoomChange[]): void {
    for (const { kind, user, state, isLocal } of changes) {
      const value: unknown = state === undefined ? undefined : JSON.parse(state);
      this.tellHandlers(new PresenceChange(kind, room.name, user, value, isLocal));
    }
    if (room.members.size === 0 || !this.hasEvents(room.name)) return;
    for (let at = 0; at < changes.length; at += MAX_TOLD) {
      send(room.members, eventsOf(room, changes.slice(at, at + MAX_TOLD)));
    }
  }

  listed(room: Room, connections: readonly NodeConnection[]): void {
    if (this.hasEvents(room.name)) send(connections, listOf(room));
  }

  isFull(room: Room): boolean {
    return this.node.limits.reached('presenceUsers', `room=${JSON.stringify(room.name)} users=${room.own.size}`);
  }

  private tellHandlers(change: PresenceChange): void {
    for (const handler of this.handlers) {
      try {
        void Promise.resolve(handler(change)).catch(this.node.failed('onPresence'));
      } catch (error) {
        this.node.failed('onPresence')(error);
      }
    }
  }

  private hasEvents(room: string): boolean {
    const presence = this.node.settings.rooms.find(room)?.presence;
    return typeof presence === 'object' && presence.events === true;
  }
}

/** @returns undefined for a room without presence */
function graceMs({ rooms, presenceGrace }: RealtimeSettings, name: string): number | undefined {
  const presence = rooms.find(name)?.presence;
  if (!presence) return undefined;
  return 1000 * ((typeof presence === 'object' ? presence.grace : undefined) ?? presenceGrace);
}

function send(connections: Iterable<NodeConnection>, data: object): void {
  const frame = new Frame(encodeEnvelope('rt:presence', data), undefined, true);
  frame.isShared = true;
  for (const connection of connections) connection.obey({ kind: 'push', frame });
}

function toldUser(room: Room, id: string, now: number): ToldUser | undefined {
  const merged = room.merged(id);
  if (!merged) return undefined;
  const [, connections, state, sinceMs] = rowOf(id, merged, now);
  return { id, ...(state !== null && { state }), sinceMs, connections };
}

function eventsOf(room: Room, changes: readonly RoomChange[]): object {
  const now = systemClock.now();
  const of = (kind: RoomChange['kind']) => changes.filter((change) => change.kind === kind).map(({ user }) => user);
  const users = (kind: 'join' | 'update') => of(kind).map((user) => toldUser(room, user, now)!);
  return { room: room.name, join: users('join'), update: users('update'), leave: of('leave') };
}

/** The list for a new member: the first users, and `next` when there are more. */
function listOf(room: Room): object {
  const now = systemClock.now();
  const ids = room.page(undefined, MAX_TOLD + 1);
  const users: ToldUser[] = [];
  let bytes = 0;
  for (const id of ids.slice(0, MAX_TOLD)) {
    const user = toldUser(room, id, now);
    if (user) users.push(user);
    bytes += id.length + (room.merged(id)?.state?.length ?? 0);
    if (bytes > MAX_TOLD_BYTES) break;
  }
  const hasMore = users.length > 0 && ids.at(-1) !== users.at(-1)!.id;
  return { room: room.name, users, ...(hasMore && { next: users.at(-1)!.id }) };
}
