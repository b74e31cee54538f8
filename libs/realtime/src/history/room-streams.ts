/**
 * The rooms with history that have members on this node: what arrives of them passes their streams, so that each member
 * gets every entry once, or is told. Road OUT, step 8.
 */
import type { Channel, Command } from '../command.js';
import { type Clock, systemClock } from '../cluster/clock.js';
import type { Entry, HistoryEvents, HistoryWindow, KeptPush, PushHistory } from '../history.js';
import type { Position } from '../position.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { BACKLOG_BOUNDS } from './backlog.js';
import { ReadQueue } from './read-queue.js';
import { type MemberOutput, RoomMember } from './room-member.js';
import { RoomStream } from './room-stream.js';
import { type Passing, StreamedRoom } from './streamed-room.js';
import { Tails } from './tail.js';
import { TopCheck } from './top-check.js';

/** From where a member goes on. */
export interface From {
  /** Where its client stands; undefined: it has no position. */
  readonly since?: Position;
  /** So many of the last entries are sent to a client without a position. Default: 0. */
  readonly last?: number;
}

export interface RoomStreamsOptions<M> {
  readonly settings: Pick<
    RealtimeSettings,
    | 'maxTailBytes'
    | 'maxTailBytesTotal'
    | 'maxRecoveryEntries'
    | 'maxRecoveryBytes'
    | 'maxHistoryReads'
    | 'brokerTimeout'
  >;
  /** Asked when it is needed: a broker has its history only after its start. */
  readonly history: () => PushHistory | undefined;
  /** Delivers what has no position. A push is for those members that are not behind. */
  readonly deliver: (command: Command, isLive: (member: M) => boolean) => void;
  readonly clock?: Clock;
  /** Logs each read. Default: nothing is logged. */
  readonly lines?: {
    read(channel: Channel, entries: number): void;
    readFailed(channel: Channel, error: unknown): void;
  };
}

/** What an order takes while it waits, in bytes. */
const ORDER_BYTES = 256;

export class RoomStreams<M extends object> implements HistoryEvents {
  private readonly rooms = new Map<Channel, StreamedRoom<M>>();
  private readonly tails: Tails;
  private readonly queue: ReadQueue;
  private readonly check: TopCheck;
  private readonly clock: Clock;

  constructor(private readonly options: RoomStreamsOptions<M>) {
    const { settings, history, clock = systemClock } = options;
    this.clock = clock;
    this.tails = new Tails({ maxBytes: settings.maxTailBytes, maxTotalBytes: settings.maxTailBytesTotal });
    const read = (channel: Channel, limit: number) => requireHistory(history()).read(channel, undefined, limit);
    this.queue = new ReadQueue(
      (channel, limit) =>
        this.logged(
          channel,
          Promise.resolve().then(() => read(channel, limit)),
        ),
      settings.maxHistoryReads,
    );
    this.check = new TopCheck((channels, renew) => requireHistory(history()).top(channels, renew), clock);
  }

  /** How many rooms have members here. */
  get size(): number {
    return this.rooms.size;
  }

  get reads(): number {
    return this.queue.begun;
  }

  /** The bytes of all tails. */
  get tailBytes(): number {
    return this.tails.bytes;
  }

  /**
   * Lets a member into a room.
   *
   * @param held resolves when the room is subscribed; undefined: there is nothing to wait for
   * @returns resolves when the member has joined or left, never rejects
   */
  enter(channel: Channel, member: M, output: MemberOutput, from: From, held?: Promise<unknown>): Promise<void> {
    const room = this.rooms.get(channel) ?? this.open(channel);
    const record = new RoomMember(output);
    room.members.set(member, record);
    const join = () => room.stream.join(record, from.since, from.last);
    if (!held) return join();
    return held.then(() => (room.members.get(member) === record ? join() : undefined));
  }

  exit(channel: Channel, member: M): void {
    const room = this.rooms.get(channel);
    const record = room?.members.get(member);
    if (!room || !record) return;
    room.members.delete(member);
    room.stream.leave(record);
    if (room.members.size === 0) this.close(channel, room);
  }

  /** A member that was too slow has room again. */
  drained(channel: Channel, member: M): void {
    const room = this.rooms.get(channel);
    const record = room?.members.get(member);
    if (record) room!.stream.drained(record);
  }

  /** An entry that waited for a slow member was dropped. @returns what takes its place, if anything */
  lost(channel: Channel, member: M, entry: Entry): ReturnType<StreamedRoom<M>['lost']> {
    return this.rooms.get(channel)?.lost(member, entry);
  }

  /**
   * Takes what has no position, for a room that has members here.
   *
   * @param hasPlace false for what did not come on the channel: it waits for nothing
   * @returns false for any other channel, true when it was delivered; else resolves when it is, never rejects
   */
  other(command: Command, hasPlace: boolean): boolean | Promise<void> {
    const room = this.rooms.get(command.channel);
    if (!room) return false;
    const { action } = command;
    let hasPassed = false;
    let passed = (): void => void (hasPassed = true);
    const size = action.kind === 'push' ? action.frame.size : ORDER_BYTES;
    room.stream.other({ command, size, passed: () => passed() }, hasPlace);
    return hasPassed || new Promise((resolve) => (passed = resolve));
  }

  /** @returns resolves when an entry that this node has appended has come back to its members, or its time is over */
  appended(channel: Channel, position: Position): Promise<void> | undefined {
    return this.rooms.get(channel)?.appended(position, this.clock, this.options.settings.brokerTimeout * 1000);
  }

  entry(channel: Channel, entry: Entry<KeptPush>): void {
    const room = this.rooms.get(channel);
    if (!room) return;
    room.entry(entry);
    entry.message.delivered();
  }

  subscribed(channel: Channel): void {
    this.rooms.get(channel)?.stream.up();
  }

  missed(channels: readonly Channel[] | 'all'): void {
    const history = this.options.history();
    for (const channel of channels === 'all' ? this.rooms.keys() : channels) {
      if (history?.isOn(channel)) this.rooms.get(channel)?.stream.up();
    }
  }

  down(): void {
    for (const { stream } of this.rooms.values()) stream.down();
  }

  /** What has come over the subscription together with the answer is taken before it. */
  private async read(channel: Channel, limit: number): Promise<HistoryWindow> {
    const window = await this.queue.read(channel, limit);
    await new Promise<void>((resolve) => this.clock.soon(resolve));
    return window;
  }

  private logged(channel: Channel, reading: Promise<HistoryWindow>): Promise<HistoryWindow> {
    const { lines } = this.options;
    reading.then(
      ({ entries }) => lines?.read(channel, entries.length),
      (error: unknown) => lines?.readFailed(channel, error),
    );
    return reading;
  }

  private open(channel: Channel): StreamedRoom<M> {
    const { settings, deliver, history } = this.options;
    const { maxRecoveryEntries: maxEntries, maxRecoveryBytes: maxReplayBytes } = settings;
    const stream = new RoomStream<Passing>({
      read: (limit) => this.read(channel, limit).finally(() => this.clock.soon(() => room.settle())),
      arrived: () => history()?.arrived?.(channel),
      deliver: ({ command, passed }, hears) => {
        deliver(command, (member) => hears(room.members.get(member)!));
        passed();
      },
      clock: this.clock,
      tails: this.tails,
      bounds: { ...BACKLOG_BOUNDS, maxEntries, maxReplayBytes },
    });
    const room = new StreamedRoom<M>(stream);
    this.rooms.set(channel, room);
    this.check.add(channel, stream);
    if (history()?.isOn(channel)) stream.up();
    return room;
  }

  private close(channel: Channel, room: StreamedRoom<M>): void {
    this.rooms.delete(channel);
    this.check.delete(channel);
    room.end();
  }
}

function requireHistory(history: PushHistory | undefined): PushHistory {
  if (!history) throw new Error('The broker has not started');
  return history;
}
