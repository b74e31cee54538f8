/** The other nodes, as the sources of their parts: who has to be asked, and how long the part of one that has gone stays. */
import type { Clock } from '../cluster/clock.js';
import type {
  PresenceAsk,
  PresenceDelta,
  PresenceFull,
  PresenceHeld,
  PresenceLink,
  PresenceVersions,
} from '../presence.js';
import { Pages } from './answer.js';
import { HeldParts } from './held-parts.js';
import { PartSource, type SourceHost, type WholePart } from './part-source.js';
import { patiently } from './patience.js';
import type { PresenceRoom } from './presence-room.js';

/** All in milliseconds. */
export interface PresenceTimes {
  /** How long another node may take to answer. */
  readonly askMs: number;
  readonly announceMs: number;
  /** Within which time the clients of a node that stops come back. */
  readonly spreadMs: number;
}

/** What the other nodes need of this one. */
export interface OwnRooms {
  /** The rooms with connections on this node. */
  readonly all: ReadonlyMap<string, PresenceRoom<object>>;
  readonly clock: Clock;
  /** @returns the room that announcements call so */
  byKey(key: string): PresenceRoom<object> | undefined;
  /** How long a user of a room still counts after the last connection was lost, in milliseconds. */
  graceMs(room: string): number;
  /** What is known of a room has changed. */
  touch(room: PresenceRoom<object>): void;
}

/** When a node has gone, and how much longer than the grace time its users count. */
interface Gone {
  readonly at: number;
  readonly extraMs: number;
}

/** Where so many rooms change that they are not listed, they are asked about once in so many announcements. */
const PERIODS = 3;

export class OtherNodes implements SourceHost {
  private readonly sources = new Map<string, PartSource>();
  /** Nodes that have gone, and whose parts stay for a while. */
  private readonly gone = new Map<string, Gone>();
  private readonly held: HeldParts;
  private isUp = false;
  private ids = 0;

  constructor(
    private readonly rooms: OwnRooms,
    private readonly times: PresenceTimes,
    private readonly link: Pick<PresenceLink, 'share'>,
    maxUsers: number,
  ) {
    this.held = new HeldParts(maxUsers);
  }

  /** The nodes that have yet to say who is in a room. */
  awaited(room: string): string[] {
    return [...this.sources.values()].filter((source) => source.isAwaited(room)).map(({ node }) => node);
  }

  /** Asks all nodes who is in a room. */
  want(room: string): void {
    for (const source of this.sources.values()) source.want(room);
  }

  /** The first connection of this node is about to join a room. */
  opened(room: PresenceRoom<object>): void {
    const now = this.rooms.clock.now();
    for (const { node, v, users, until } of this.held.take(room.name, now)) {
      this.adopt(room, { node, v, users }, until - now);
    }
  }

  /** Another node tells of one that has gone, or of itself when it is about to. */
  heard(from: string, { node, holdMs, rooms }: PresenceHeld): void {
    const now = this.rooms.clock.now();
    if (from !== node && this.sources.has(node)) return;
    for (const { room: name, v, users } of rooms) {
      const room = this.rooms.all.get(name);
      if (!room) this.held.keep(name, { node, v, users, until: now + holdMs }, now);
      else if (room.versionOf(node) < v) this.adopt(room, { node, v, users }, holdMs);
    }
  }

  /** @returns the parts of nodes that have gone, for a node that asks about rooms */
  heldOf(rooms: PresenceAsk['rooms']): PresenceHeld[] {
    const now = this.rooms.clock.now();
    return [...this.gone].flatMap(([node, { at, extraMs }]) => {
      const pages = new Pages();
      let holdMs = 0;
      for (const [name] of rooms) {
        const part = this.rooms.all.get(name)?.partOf(node, now);
        if (part) pages.add(name, part);
        if (part) holdMs = Math.max(holdMs, at + extraMs + this.rooms.graceMs(name) - now);
      }
      return holdMs > 0 ? pages.pages.map((page) => ({ kind: 'held', node, holdMs, rooms: page }) as const) : [];
    });
  }

  received(from: string, message: PresenceDelta | PresenceFull): void {
    const source = this.sources.get(from);
    if (!source) return;
    if (message.kind === 'full') return source.received(message);
    const room = this.rooms.all.get(message.room);
    if (room && !source.keeps(message)) this.apply(room, source, message);
  }

  announced(from: string, versions: PresenceVersions): void {
    const source = this.sources.get(from);
    if (!source) return;
    if (versions === 'many') return this.wantAll(source, PERIODS * this.times.announceMs);
    const behind = versions.filter(([key, v]) => this.behind(source, key, v));
    if (behind.length === 0) return;
    // The announcement may have overtaken what it is about
    this.rooms.clock.after(this.times.askMs / 2, () => {
      for (const [key, v] of behind) {
        const room = this.behind(source, key, v);
        if (room) source.want(room.name);
      }
    });
  }

  came(node: string): void {
    this.gone.delete(node);
    this.sources.get(node)?.down();
    const source = new PartSource(node, this, this.rooms.clock, this.times.askMs);
    this.sources.set(node, source);
    this.wantAll(source);
    if (this.isUp) source.up();
  }

  /** A node has gone. @param extraMs how much longer than the grace time its part stays */
  went(node: string, extraMs: number): void {
    const source = this.sources.get(node);
    if (!source) return;
    this.sources.delete(node);
    source.down();
    this.settled();
    const mark = { at: this.rooms.clock.now(), extraMs };
    this.gone.set(node, mark);
    const graces = new Set([0, ...[...this.rooms.all.keys()].map((room) => this.rooms.graceMs(room))]);
    const last = Math.max(...graces);
    for (const graceMs of graces) {
      patiently(this.rooms.clock, graceMs + extraMs, this.times.announceMs, () => {
        if (this.gone.get(node) !== mark) return;
        this.forget(node, graceMs);
        if (graceMs === last) this.gone.delete(node);
      });
    }
  }

  up(): void {
    this.isUp = true;
    for (const source of this.sources.values()) {
      this.wantAll(source);
      source.up();
    }
  }

  down(): void {
    this.isUp = false;
    for (const source of this.sources.values()) source.down();
  }

  // --- as the host of its sources ---

  known(node: string, room: string): number | undefined {
    return this.rooms.all.get(room)?.versionOf(node);
  }

  nextId(): number {
    return ++this.ids;
  }

  ask(node: string, ask: PresenceAsk): void {
    void this.link.share(`n:${node}`, ask);
  }

  answered(node: string, name: string, part: WholePart | undefined, newer: readonly PresenceDelta[]): void {
    const room = this.rooms.all.get(name);
    const source = this.sources.get(node);
    if (!room || !source) return;
    if (part) room.replace(node, part.v, part.users, this.rooms.clock.now());
    for (const delta of newer) this.apply(room, source, delta);
    this.rooms.touch(room);
  }

  settled(): void {
    for (const room of this.rooms.all.values()) if (!room.isSettled) this.rooms.touch(room);
  }

  /** @param pauseMs not if that was done less than so many milliseconds ago */
  private wantAll(source: PartSource, pauseMs = 0): void {
    const now = this.rooms.clock.now();
    if (now - source.wantedAllAt < pauseMs) return;
    source.wantedAllAt = now;
    for (const room of this.rooms.all.keys()) source.want(room);
  }

  /** @returns the room, if less of it is known than was announced and nobody has asked for it */
  private behind(source: PartSource, key: string, v: number): PresenceRoom<object> | undefined {
    const room = this.rooms.byKey(key);
    return room && room.versionOf(source.node) < v && !source.isAwaited(room.name) ? room : undefined;
  }

  private apply(room: PresenceRoom<object>, source: PartSource, delta: PresenceDelta): void {
    if (!room.apply(source.node, delta, this.rooms.clock.now())) source.want(room.name);
    this.rooms.touch(room);
  }

  /** Takes the part of a node that is not known, for a while. */
  private adopt(room: PresenceRoom<object>, { node, v, users }: WholePart & { node: string }, holdMs: number): void {
    room.replace(node, v, users, this.rooms.clock.now());
    this.rooms.touch(room);
    patiently(this.rooms.clock, holdMs, this.times.announceMs, () => {
      if (this.sources.has(node)) return;
      room.forget(node);
      this.rooms.touch(room);
    });
  }

  private forget(node: string, graceMs: number): void {
    for (const room of this.rooms.all.values()) {
      if (this.rooms.graceMs(room.name) > graceMs) continue;
      room.forget(node);
      this.rooms.touch(room);
    }
  }
}
