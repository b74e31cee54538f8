/**
 * The presence of one node: its rooms, and what the other nodes say of theirs. Without network: what goes out goes through
 * a link, what comes in comes through the methods of PresenceSink.
 */
import type { Clock } from '../cluster/clock.js';
import type { PresenceLink, PresenceMessage, PresenceSink, PresenceVersions } from '../presence.js';
import { ChangedRooms, keyOf } from './changed-rooms.js';
import { OtherNodes, type OwnRooms, type PresenceTimes } from './other-nodes.js';
import { OwnParts } from './own-parts.js';
import { patiently } from './patience.js';
import { PresenceRoom, type RoomChange } from './presence-room.js';

export interface PresenceOptions extends PresenceTimes {
  readonly self: string;
  readonly clock: Clock;
  /** The most users of one node in one room. */
  readonly maxUsers: number;
  /** How long a user of a room still counts after the last connection was lost; undefined: the room has no presence. */
  graceMs(room: string): number | undefined;
}

/** Who wants to know. Its methods MUST NOT throw. */
export interface PresenceListener<C extends object> {
  /** Users have come, changed or gone. */
  changed(room: PresenceRoom<C>, changes: readonly RoomChange[]): void;
  /** These members are to be given the list of users; from then on they get the changes. */
  listed(room: PresenceRoom<C>, connections: readonly C[]): void;
  /** One more user than a room may have. @returns true when the user is not to be listed */
  isFull(room: PresenceRoom<C>): boolean;
}

export class PresenceRooms<C extends object> implements PresenceSink, OwnRooms {
  readonly all = new Map<string, PresenceRoom<C>>();
  readonly clock: Clock;
  private readonly keys = new Map<string, PresenceRoom<C>>();
  private readonly others: OtherNodes;
  private readonly changedRooms: ChangedRooms;
  private readonly own: OwnParts;
  /** Rooms with something to publish or to tell at the end of this turn. */
  private readonly due = new Set<PresenceRoom<C>>();
  private isStopping = false;

  constructor(
    private readonly options: PresenceOptions,
    private readonly link: PresenceLink,
    private readonly listener: PresenceListener<C>,
  ) {
    this.clock = options.clock;
    this.changedRooms = new ChangedRooms(options.announceMs);
    this.own = new OwnParts(options.self, this, this.changedRooms, link);
    this.others = new OtherNodes(this, options, link, options.maxUsers);
  }

  // --- connections of this node ---

  /** A connection has joined a room. @param user undefined: it is not listed */
  enter(name: string, connection: C, user: string | undefined): void {
    if (this.options.graceMs(name) === undefined) return;
    const room = this.all.get(name) ?? this.open(name);
    room.add(connection);
    if (user !== undefined && this.hasPlace(room, user)) room.enter(connection, user, this.clock.now());
    this.touch(room);
  }

  /** A connection has left a room: its user leaves at once. */
  leave(name: string, connection: C): void {
    const room = this.all.get(name);
    if (!room?.delete(connection)) return;
    room.lose(connection)?.();
    this.touch(room);
  }

  /** A connection has ended: its user leaves when the grace time is over, unless they are back. */
  lose(name: string, connection: C): void {
    const room = this.all.get(name);
    if (!room?.delete(connection)) return;
    const end = room.lose(connection);
    this.touch(room);
    if (!end) return;
    const holdMs = this.graceMs(name) + (this.isStopping ? this.options.spreadMs : 0);
    patiently(this.clock, holdMs, this.options.announceMs, () => {
      end();
      this.touch(room);
    });
  }

  /** A connection in the room has another user: the former one leaves at once. */
  rebind(name: string, connection: C, user: string | undefined): void {
    const room = this.all.get(name);
    if (!room?.has(connection)) return;
    room.lose(connection)?.();
    if (user !== undefined && this.hasPlace(room, user)) room.enter(connection, user, this.clock.now());
    this.touch(room);
  }

  /** @param state JSON; undefined for none */
  present(name: string, connection: C, state: string | undefined): void {
    const room = this.all.get(name);
    if (!room) return;
    room.present(connection, state);
    this.touch(room);
  }

  /** The connections of this node are about to be closed, and their clients come back to other nodes. */
  drain(): void {
    this.isStopping = true;
  }

  /** This node is about to stop: the others keep its users until they are back. */
  farewell(): Promise<void> {
    return this.own.farewell(this.options.spreadMs);
  }

  // --- other nodes ---

  received(from: string, message: PresenceMessage): void {
    if (message.kind === 'ask') void this.own.answer(from, message, this.others.heldOf(message.rooms));
    else if (message.kind === 'held') this.others.heard(from, message);
    else this.others.received(from, message);
  }

  announced(from: string, versions: PresenceVersions): void {
    this.others.announced(from, versions);
  }

  versions(): PresenceVersions | undefined {
    return this.changedRooms.versions(this.clock.now());
  }

  came(node: string): void {
    this.others.came(node);
  }

  lost(node: string): void {
    this.others.went(node, 0);
  }

  left(node: string): void {
    this.others.went(node, this.options.spreadMs);
  }

  up(): void {
    // What was published last may have been lost
    for (const { name, own } of this.all.values()) {
      if (own.v > 0) this.changedRooms.changed(name, own.v, this.clock.now());
    }
    this.others.up();
  }

  /** Nobody waits for the other nodes from now on. */
  down(): void {
    this.others.down();
    for (const room of this.all.values()) this.settle(room);
  }

  gap(channels: readonly string[] | 'all'): void {
    const names = channels === 'all' ? this.all.keys() : channels.map((channel) => channel.slice(2));
    for (const name of names) if (this.all.has(name)) this.others.want(name);
  }

  /** The nodes that have yet to say who is in a room. */
  awaited(name: string): string[] {
    return this.others.awaited(name);
  }

  // --- as the rooms of this node ---

  byKey(key: string): PresenceRoom<C> | undefined {
    return this.keys.get(key);
  }

  graceMs(name: string): number {
    return this.options.graceMs(name) ?? 0;
  }

  touch(room: PresenceRoom<C>): void {
    if (this.due.size === 0) this.clock.soon(() => this.flush());
    this.due.add(room);
  }

  private hasPlace(room: PresenceRoom<C>, user: string): boolean {
    return room.own.size < this.options.maxUsers || room.own.has(user) || !this.listener.isFull(room);
  }

  /** The first member of this node has come: the others are asked, once what they say from now on is heard. */
  private open(name: string): PresenceRoom<C> {
    const { self, maxUsers, askMs } = this.options;
    const room = new PresenceRoom<C>(name, { self, maxUsers });
    this.all.set(name, room);
    this.keys.set(keyOf(name), room);
    const ask = () => {
      if (this.all.get(name) !== room) return;
      this.others.want(name);
      room.isHeard = true;
      this.touch(room);
    };
    this.others.opened(room);
    const held = this.link.hold(`r:${name}`);
    if (held) void held.then(ask);
    else ask();
    this.clock.after(askMs, () => this.settle(room));
    return room;
  }

  private settle(room: PresenceRoom<C>): void {
    if (room.isSettled || this.all.get(room.name) !== room) return;
    room.settle();
    this.touch(room);
  }

  // --- the end of a turn ---

  private flush(): void {
    const due = [...this.due];
    this.due.clear();
    for (const room of due) if (this.all.get(room.name) === room) this.flushRoom(room);
  }

  private flushRoom(room: PresenceRoom<C>): void {
    this.own.publish(room);
    if (!room.isSettled && room.isHeard && this.others.awaited(room.name).length === 0) room.settle();
    const changes = room.changes();
    if (changes.length > 0) this.listener.changed(room, changes);
    const unlisted = room.takeUnlisted();
    if (unlisted.length > 0) this.listener.listed(room, unlisted);
    if (!room.isInUse) this.close(room);
  }

  private close(room: PresenceRoom<C>): void {
    this.all.delete(room.name);
    this.keys.delete(keyOf(room.name));
    this.link.release(`r:${room.name}`);
  }
}
