/** The history of a single node: a ring of messages per room, in the memory of this process. Road OUT, step 7. */
import type { Channel } from '../command.js';
import { type Clock, systemClock } from '../cluster/clock.js';
import { EntryRing } from '../history/entry-ring.js';
import {
  type Appended,
  DAY_MS,
  type Entry,
  type History,
  type HistoryMessage,
  type HistoryRules,
  type HistoryWindow,
  MAX_READ_BYTES,
} from '../history.js';
import { before, placeOf, type Position } from '../position.js';
import { newTag } from '../history/tag.js';
import { RecentKeys } from './recent-keys.js';

export interface MemoryHistoryBounds {
  /** All rooms together, in bytes of messages and what surrounds them. Default: 256 MiB (REALTIME_MAX_HISTORY_BYTES). */
  readonly maxBytes: number;
  /** The most keys of the last five minutes. Default: 100,000. */
  readonly maxKeys: number;
}

const BOUNDS: MemoryHistoryBounds = { maxBytes: 268_435_456, maxKeys: 100_000 };

/** What a room and an entry take beside the bytes of the message, measured. */
const ROOM_BYTES = 512;
const ENTRY_BYTES = 256;
/** How often rooms whose time is over are looked for, in milliseconds. */
const SWEEP_MS = 60_000;

interface Room {
  readonly ring: EntryRing;
  entriesUntil: number;
  until: number;
}

/** Delivers an entry to the members of its channel. MUST not throw. */
export type DeliverEntry = (channel: Channel, entry: Entry) => void;

export class MemoryHistory implements History {
  /** How many entries and rooms were forgotten before their time, because all rooms together were too big. */
  readonly evicted = { entries: 0, rooms: 0 };
  /** The bytes of all rooms. */
  bytes = 0;
  private readonly bounds: MemoryHistoryBounds;
  private readonly keys: RecentKeys;
  /** The room with the oldest append first. */
  private readonly rooms = new Map<Channel, Room>();
  private isSweeping = false;

  /** @param deliver called with each entry in `append`, before it returns */
  constructor(
    private readonly deliver: DeliverEntry,
    private readonly clock: Clock = systemClock,
    bounds: Partial<MemoryHistoryBounds> = {},
  ) {
    this.bounds = { ...BOUNDS, ...bounds };
    this.keys = new RecentKeys(clock, this.bounds.maxKeys);
  }

  /** How many rooms are known. */
  get size(): number {
    return this.rooms.size;
  }

  /** How many keys were forgotten within their five minutes, because there were too many. */
  get forgottenKeys(): number {
    return this.keys.forgotten;
  }

  async append(channel: Channel, message: HistoryMessage, rules: HistoryRules): Promise<Appended> {
    return this.add(channel, message, rules);
  }

  /** As `append`, in this turn. */
  add(channel: Channel, message: HistoryMessage, rules: HistoryRules): Appended {
    const { key } = rules;
    const known = key === undefined ? undefined : this.keys.find(channel, key);
    if (known) return { ...known, repeated: true };
    const room = this.current(channel) ?? this.create(channel);
    const { top } = room.ring;
    const position = { n: top.n + 1, tag: newTag(), previous: top.tag };
    const entry = { position, message };
    this.keep(channel, room, entry, rules);
    const appended = { position: placeOf(position), previous: before(position), repeated: false };
    if (key !== undefined) this.keys.add(channel, key, appended);
    this.deliver(channel, entry);
    return appended;
  }

  async read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow> {
    const { ring } = this.current(channel) ?? this.create(channel);
    const { top, base } = ring;
    const entries = after === undefined ? newest(ring, limit) : oldest(ring.slice(Math.max(0, after - base.n), limit));
    return { top, base: entries[0] ? before(entries[0].position) : top, entries };
  }

  async top(channels: readonly Channel[], renew = false): Promise<readonly (Position | undefined)[]> {
    return channels.map((channel) => {
      const room = this.current(channel);
      if (room && renew) room.until = Math.max(room.until, this.clock.now() + DAY_MS);
      return room?.ring.top;
    });
  }

  /** Forgets all rooms. */
  clear(): void {
    for (const [channel, room] of this.rooms) this.forget(channel, room);
  }

  /** @returns the room without what is too old */
  private current(channel: Channel): Room | undefined {
    const room = this.rooms.get(channel);
    if (room && !this.isOver(channel, room)) return room;
    return undefined;
  }

  private isOver(channel: Channel, room: Room): boolean {
    const now = this.clock.now();
    if (room.until <= now) this.forget(channel, room);
    else if (room.entriesUntil <= now) this.empty(room);
    return room.until <= now;
  }

  private create(channel: Channel): Room {
    const now = this.clock.now();
    const room = { ring: new EntryRing({ n: 0, tag: newTag() }), entriesUntil: now, until: now + DAY_MS };
    this.rooms.set(channel, room);
    this.bytes += ROOM_BYTES + channel.length;
    this.shrink(channel);
    if (!this.isSweeping) this.sweep();
    return room;
  }

  private keep(channel: Channel, room: Room, entry: Entry, { size, age }: HistoryRules): void {
    const { ring } = room;
    ring.push(entry);
    this.bytes += costOf(entry);
    while (ring.length > size) this.shift(ring);
    room.entriesUntil = this.clock.now() + age * 1000;
    room.until = Math.max(room.until, room.entriesUntil + DAY_MS);
    if (this.rooms.size > 1) {
      this.rooms.delete(channel);
      this.rooms.set(channel, room);
    }
    this.shrink(channel);
  }

  private shift(ring: EntryRing): void {
    const bytes = ring.bytes;
    ring.shift();
    this.bytes -= bytes - ring.bytes + ENTRY_BYTES;
  }

  private empty({ ring }: Room): void {
    while (ring.length > 0) this.shift(ring);
  }

  private forget(channel: Channel, room: Room): void {
    this.empty(room);
    this.rooms.delete(channel);
    this.bytes -= ROOM_BYTES + channel.length;
  }

  /** Takes entries, then the position, of the rooms that have had no append for longest, and of this one last. */
  private shrink(channel: Channel): void {
    if (this.bytes <= this.bounds.maxBytes) return;
    for (const [name, room] of this.rooms) {
      while (this.bytes > this.bounds.maxBytes && room.ring.length > 0) {
        this.shift(room.ring);
        this.evicted.entries++;
      }
      if (this.bytes <= this.bounds.maxBytes || name === channel) return;
      this.forget(name, room);
      this.evicted.rooms++;
    }
  }

  private sweep(): void {
    this.isSweeping = true;
    this.clock.after(SWEEP_MS, () => {
      for (const [channel, room] of this.rooms) this.isOver(channel, room);
      this.isSweeping = false;
      if (this.rooms.size > 0) this.sweep();
    });
  }
}

const costOf = ({ message }: Entry) => message.size + ENTRY_BYTES;

function newest(ring: EntryRing, limit: number): readonly Entry[] {
  const entries = ring.slice(-limit, limit);
  let bytes = 0;
  const first = entries.findLastIndex(({ message }) => (bytes += message.size) > MAX_READ_BYTES);
  return first < 0 ? entries : entries.slice(Math.min(first + 1, entries.length - 1));
}

function oldest(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex(({ message }) => (bytes += message.size) > MAX_READ_BYTES);
  return end < 0 ? entries : entries.slice(0, Math.max(1, end));
}
