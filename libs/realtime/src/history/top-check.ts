/** Finds rooms that have silently lost something: asks the store where they stand when nothing has come for a while. */
import type { Clock } from '../cluster/clock.js';
import type { Channel } from '../command.js';
import type { Position } from '../position.js';

/** The part of a room's stream that is checked. */
export interface Checked {
  /** Where it stands; undefined while nobody knows. */
  readonly position: Position | undefined;
  /** False while it is read anyway. */
  readonly isLive: boolean;
  checked(top: Position | undefined, begun: Position): void;
}

/** As `top` of History. */
export type AskTop = (channels: readonly Channel[], renew: boolean) => Promise<readonly (Position | undefined)[]>;

/** How often rooms are looked through, in milliseconds. */
const TICK_MS = 5000;
/** A room is asked about after so many ticks without an entry, and up to two more: 30 to 40 s. */
const QUIET_TICKS = 6;
const JITTER = 3;
/** After so many ticks the store is asked to keep the position longer: one hour. */
const RENEW_TICKS = 3_600_000 / TICK_MS;
/** The most rooms in one question. */
const BATCH = 512;

interface Watched {
  readonly channel: Channel;
  readonly room: Checked;
  /** Where it stood at the last tick: where that has not changed, nothing has come. */
  seen: Position | undefined;
  quiet: number;
  sinceRenewal: number;
}

export class TopCheck {
  private readonly rooms = new Map<Channel, Watched>();
  private isTicking = false;

  /** @param random from 0 to 1; default: Math.random */
  constructor(
    private readonly ask: AskTop,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  get size(): number {
    return this.rooms.size;
  }

  add(channel: Channel, room: Checked): void {
    this.rooms.set(channel, { channel, room, seen: undefined, quiet: this.jitter(), sinceRenewal: 0 });
    if (!this.isTicking) this.tick();
  }

  delete(channel: Channel): void {
    this.rooms.delete(channel);
  }

  /** The broker is back: asks about all rooms at once. */
  now(): void {
    this.check([...this.rooms.values()]);
  }

  private jitter(): number {
    return -Math.floor(this.random() * JITTER);
  }

  private tick(): void {
    this.isTicking = true;
    this.clock.after(TICK_MS, () => {
      this.isTicking = false;
      this.check([...this.rooms.values()].filter((watched) => this.isQuiet(watched)));
      if (this.rooms.size > 0) this.tick();
    });
  }

  private isQuiet(watched: Watched): boolean {
    const { room, seen } = watched;
    const stands = room.isLive ? room.position : undefined;
    watched.seen = stands;
    watched.sinceRenewal++;
    watched.quiet = stands && stands.n === seen?.n && stands.tag === seen.tag ? watched.quiet + 1 : this.jitter();
    return watched.quiet >= QUIET_TICKS;
  }

  private check(rooms: readonly Watched[]): void {
    const [due, others] = [true, false].map((isDue) =>
      rooms.filter(({ sinceRenewal }) => sinceRenewal >= RENEW_TICKS === isDue),
    );
    for (let at = 0; at < due!.length; at += BATCH) void this.question(due!.slice(at, at + BATCH), true);
    for (let at = 0; at < others!.length; at += BATCH) void this.question(others!.slice(at, at + BATCH), false);
  }

  private async question(rooms: readonly Watched[], renew: boolean): Promise<void> {
    for (const watched of rooms) watched.quiet = this.jitter();
    const begun = rooms.flatMap((watched) => {
      const { position, isLive } = watched.room;
      return position && isLive ? [{ watched, position }] : [];
    });
    if (begun.length === 0) return;
    const channels = begun.map(({ watched }) => watched.channel);
    const tops = await this.ask(channels, renew).catch(() => undefined);
    if (!tops) return;
    for (const [index, { watched, position }] of begun.entries()) {
      if (renew) watched.sinceRenewal = 0;
      if (this.rooms.get(watched.channel) === watched) watched.room.checked(tops[index], position);
    }
  }
}
