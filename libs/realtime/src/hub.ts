/**
 * Road OUT, step 8: the rooms of this node. A user, a path and everyone are rooms too. The hub delivers locally, and the
 * broker learns which channels have members on this node.
 */
import type { Broker } from './broker.js';
import { type Action, type Channel, channelOf, type Command, connectionIdOf } from './command.js';
import type { MemberOutput } from './history/room-member.js';
import type { From, RoomStreams } from './history/room-streams.js';
import { errorField, type Log, stackOf } from './log.js';
import { Roll } from './roll.js';

/** What the hub needs of a connection. */
export interface HubMember {
  readonly id: string;
  readonly path: string;
  readonly userId: string | undefined;
  readonly rooms: ReadonlySet<string>;
  /** Applies a command. MUST NOT throw. @returns false when the connection did not take it */
  obey(action: Action): boolean;
}

const NOBODY: ReadonlySet<never> = new Set();

/** The members of a channel. As long as there is one, which is so in most channels of rooms and users, there is no set. */
type Members<M> = M | Set<M>;

function has<M>(members: Members<M> | undefined, member: M): boolean {
  return members instanceof Set ? members.has(member) : members === member;
}

function sizeOf<M>(members: Members<M> | undefined): number {
  if (members instanceof Set) return members.size;
  return members === undefined ? 0 : 1;
}

export class Hub<M extends HubMember = HubMember> {
  /** The open connections of this node by id, oldest first. */
  readonly connections = new Map<string, M>();
  /** The same connections in the order of their ids. */
  readonly roll = new Roll<M>();
  private readonly channels = new Map<Channel, Members<M>>();
  /** How many channels there are of each kind, by the first character of their names. */
  private readonly kinds: number[] = [];

  constructor(
    private readonly broker: Pick<Broker, 'hold' | 'release'>,
    private readonly log: Log,
    /** The rooms with history. Undefined where no room has one. */
    private readonly streams?: Pick<RoomStreams<M>, 'enter' | 'exit' | 'other'>,
  ) {}

  add(connection: M): void {
    this.connections.set(connection.id, connection);
    this.roll.add(connection);
    void this.enter(channelOf.path(connection.path), connection);
  }

  /** Takes a connection out of all its channels; `connection.rooms` stays as it was. */
  remove(connection: M): void {
    this.connections.delete(connection.id);
    this.roll.delete(connection);
    this.exit(channelOf.path(connection.path), connection);
    if (connection.userId !== undefined) this.exit(channelOf.user(connection.userId), connection);
    for (const room of connection.rooms) this.exit(channelOf.room(room), connection);
  }

  /** @returns undefined when there is nothing to wait for; else resolves when pushes of other nodes come, never rejects */
  enter(channel: Channel, connection: M): Promise<unknown> | undefined {
    const members = this.channels.get(channel);
    if (has(members, connection)) return undefined;
    if (members === undefined) this.open(channel, connection);
    else if (members instanceof Set) members.add(connection);
    else this.channels.set(channel, new Set([members, connection]));
    return this.broker.hold(channel);
  }

  /**
   * Delivers the entries of a room with history to a member that has entered it.
   *
   * @param output how they reach the member
   * @param from from where it goes on
   * @param held what `enter` has returned
   * @returns resolves when it gets everything from there on, or knows what it has missed; never rejects
   */
  follow(
    channel: Channel,
    connection: M,
    output: MemberOutput,
    from: From,
    held?: Promise<void>,
  ): Promise<void> | undefined {
    return this.streams ? this.streams.enter(channel, connection, output, from, held) : held;
  }

  exit(channel: Channel, connection: M): void {
    const members = this.channels.get(channel);
    if (!has(members, connection)) return;
    if (members instanceof Set) members.delete(connection);
    this.streams?.exit(channel, connection);
    if (sizeOf(members) === 0 || members === connection) this.close(channel);
    this.broker.release(channel);
  }

  /** The members of a channel on this node, as they are now. */
  members(channel: Channel): Iterable<M> {
    if (channel === channelOf.everyone) return this.connections.values();
    const id = connectionIdOf(channel);
    const found = id === undefined ? this.channels.get(channel) : this.connections.get(id);
    if (found === undefined) return NOBODY;
    return found instanceof Set ? found : [found];
  }

  /** The members of a channel on this node that are in none of the excepted channels, as they are now. */
  *membersExcept(channel: Channel, except: readonly Channel[]): Iterable<M> {
    const ids = new Set(except.map(connectionIdOf));
    const others = except.filter((each) => connectionIdOf(each) === undefined);
    for (const member of this.members(channel)) {
      if (ids.has(member.id) || others.some((each) => this.has(each, member))) continue;
      yield member;
    }
  }

  /** @returns whether a connection is in one of the channels */
  isIn(channels: readonly Channel[], member: M): boolean {
    return channels.some((each) => connectionIdOf(each) === member.id || this.has(each, member));
  }

  private has(channel: Channel, member: M): boolean {
    return has(this.channels.get(channel), member);
  }

  /** @returns the number of members that a channel has on this node */
  size(channel: Channel): number {
    if (channel === channelOf.everyone) return this.connections.size;
    const id = connectionIdOf(channel);
    if (id !== undefined) return this.connections.has(id) ? 1 : 0;
    return sizeOf(this.channels.get(channel));
  }

  /**
   * Applies a command to every member on this node. Never throws; a member that fails does not stop the others.
   *
   * @param hasPlace false for what has no place among the pushes to its channel
   * @returns a promise in a room with history, where it waits for its place among the entries: resolves when it is
   *   applied, never rejects
   */
  deliver(command: Command, hasPlace = true): Promise<void> | void {
    const passed = this.streams?.other(command, hasPlace);
    if (passed) return passed === true ? undefined : passed;
    const { channel, except, action } = command;
    const members = except.length === 0 ? this.members(channel) : this.membersExcept(channel, except);
    for (const connection of members) this.apply(action, connection);
  }

  /** Applies a command that has passed the stream of its room. @param isLive whether a push is for a member */
  deliverInPlace({ channel, except, action }: Command, isLive: (member: M) => boolean): void {
    for (const connection of [...this.membersExcept(channel, except)]) {
      if (action.kind !== 'push' || isLive(connection)) this.apply(action, connection);
    }
  }

  private apply(action: Action, connection: M): void {
    try {
      connection.obey(action);
    } catch (error) {
      const at = `id=${connection.id} kind=${action.kind}`;
      this.log.error(`Realtime delivery failed ${at} error=${errorField(error)}`, stackOf(error));
    }
  }

  /** @param prefix what the names of one kind begin with, such as `r:`; empty: all kinds */
  count(prefix: string): number {
    return prefix === '' ? this.channels.size : (this.kinds[prefix.charCodeAt(0)] ?? 0);
  }

  private open(channel: Channel, first: M): void {
    this.channels.set(channel, first);
    this.countKind(channel, 1);
  }

  private close(channel: Channel): void {
    this.channels.delete(channel);
    this.countKind(channel, -1);
  }

  private countKind(channel: Channel, change: number): void {
    const kind = channel.charCodeAt(0);
    this.kinds[kind] = (this.kinds[kind] ?? 0) + change;
  }
}
