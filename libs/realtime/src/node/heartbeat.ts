/**
 * One sweep per node that pings the quiet and closes the dead. A timing wheel: every connection stands in the slot of
 * the time it is next looked at, so the cost per connection does not depend on their number; and one turn of the event
 * loop looks at a bounded number of them, because ten thousand pings at once would stall it for 100 ms.
 */
import { detached } from '../async-context.js';

/** What the sweep needs of a connection. */
export interface Beating {
  /** When the last sign of life came, in milliseconds of `performance.now()`. */
  readonly lastSeenAt: number;
  /** True while this side does not read from it on purpose: silence then says nothing about the peer. */
  readonly isPaused: boolean;
  /** The heartbeat's own: the slot in which it stands, -1 where it stands in none. */
  beatSlot: number;
  /** The heartbeat's own: when it was last pinged. */
  beatPingAt: number;
  ping(): void;
  /** Nothing was heard for the idle time. The sweep does not look at it again. */
  expire(silentMs: number): void;
}

/** The timings, in seconds; a ping interval or idle time of 0 turns that part off. */
export interface HeartbeatTimings {
  readonly heartbeatPingInterval: number;
  readonly heartbeatIdleTime: number;
  readonly heartbeatCheckInterval: number;
}

/** Connections that one turn of the event loop looks at: about 2 ms of pings. */
const BATCH = 200;

/**
 * Widest slot in milliseconds: a ping is at most two of them late, its own and that of the sweep. Wide ones join more
 * pings, and so more pongs, in one turn of the loop: a third less CPU per ping than with 125 ms.
 */
const MAX_SLOT_MS = 500;

/** A sweep that comes this much late, in milliseconds, was kept from running: what peers sent may not be read yet. */
const STALL_MS = 2000;

export class Heartbeat {
  private readonly pingMs: number;
  private readonly idleMs: number;
  private readonly checkMs: number;
  private readonly slotMs: number;
  private size = 0;
  private readonly slots = new Map<number, Set<Beating>>();
  private readonly startedAt = performance.now();
  /** The first slot that was not swept yet. */
  private cursor = 0;
  private sweptAt = this.startedAt;
  /** When a stall ended; silence before it is nobody's fault. */
  private resumedAt = this.startedAt;
  private timer?: NodeJS.Timeout;
  private rest?: NodeJS.Immediate;

  constructor(timings: HeartbeatTimings) {
    this.pingMs = timings.heartbeatPingInterval * 1000;
    this.idleMs = timings.heartbeatIdleTime * 1000;
    this.checkMs = timings.heartbeatCheckInterval * 1000;
    const shortest = Math.min(this.pingMs || Infinity, this.idleMs ? this.checkMs : Infinity);
    this.slotMs = Math.max(1, Math.min(MAX_SLOT_MS, shortest / 40));
  }

  /** Starts to look after a connection. */
  add(connection: Beating): void {
    if (this.pingMs === 0 && this.idleMs === 0) return;
    const now = performance.now();
    if (!this.timer) this.cursor = Math.floor((now - this.startedAt) / this.slotMs);
    this.size++;
    this.place(connection, now);
    if (this.timer) return;
    this.sweptAt = now;
    this.timer = detached(() => setInterval(() => this.sweep(), this.slotMs));
    this.timer.unref();
  }

  /** Forgets a connection; nothing happens when it was not added. */
  remove(connection: Beating): void {
    if (connection.beatSlot < 0) return;
    this.size--;
    this.slots.get(connection.beatSlot)?.delete(connection);
    connection.beatSlot = -1;
    if (this.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.timer);
    clearImmediate(this.rest);
    this.timer = this.rest = undefined;
    for (const occupants of this.slots.values()) for (const connection of occupants) connection.beatSlot = -1;
    this.slots.clear();
    this.size = 0;
  }

  /** Looks at every connection whose slot is due, and goes on in the next turn when there are many. */
  private sweep(): void {
    const now = performance.now();
    clearImmediate(this.rest);
    this.rest = undefined;
    if (now - this.sweptAt > this.slotMs + STALL_MS) this.resumedAt = now;
    this.sweptAt = now;
    let left = BATCH;
    for (const last = Math.floor((now - this.startedAt) / this.slotMs); this.cursor <= last; this.cursor++) {
      for (const connection of this.slots.get(this.cursor) ?? []) {
        if (left-- === 0) {
          this.rest = setImmediate(() => this.sweep());
          return;
        }
        this.look(connection, now);
        // What it called may have stopped the sweep
        if (!this.timer) return;
      }
      this.slots.delete(this.cursor);
    }
  }

  private look(connection: Beating, now: number): void {
    if (connection.beatSlot < 0) return;
    this.slots.get(connection.beatSlot)?.delete(connection);
    const since = this.quietSince(connection, now);
    const silentMs = now - since;
    if (now >= this.checkAfter(since)) {
      this.remove(connection);
      connection.expire(silentMs);
      return;
    }
    if (this.pingMs > 0 && silentMs >= this.pingMs && now - connection.beatPingAt >= this.pingMs) {
      connection.beatPingAt = now;
      connection.ping();
    }
    if (connection.beatSlot >= 0) this.place(connection, now);
  }

  /** Puts a connection into the slot of its next due time: a ping, or the first check after its idle time. */
  private place(connection: Beating, now: number): void {
    const since = this.quietSince(connection, now);
    const pingDue = this.pingMs > 0 ? Math.max(since, connection.beatPingAt) + this.pingMs : Infinity;
    const slot = Math.ceil((Math.min(pingDue, this.checkAfter(since)) - this.startedAt) / this.slotMs);
    connection.beatSlot = Math.max(slot, this.cursor + 1);
    const occupants = this.slots.get(connection.beatSlot);
    if (occupants) occupants.add(connection);
    else this.slots.set(connection.beatSlot, new Set([connection]));
  }

  /** The first check after the idle time of who is silent since then. */
  private checkAfter(since: number): number {
    if (this.idleMs === 0) return Infinity;
    return this.startedAt + Math.ceil((since + this.idleMs - this.startedAt) / this.checkMs) * this.checkMs;
  }

  private quietSince(connection: Beating, now: number): number {
    return connection.isPaused ? now : Math.max(connection.lastSeenAt, this.resumedAt);
  }
}
