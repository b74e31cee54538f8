/**
 * One sweep per node that pings silent connections and closes dead ones. It is a timing wheel: every connection is in
 * the slot of the time when it is checked next, so the cost per connection does not depend on their number. One turn of
 * the event loop checks a bounded number of them, because ten thousand pings at once would block it for 100 ms.
 */
import { detached } from '../async-context.js';
import type { Connection } from '../connection.js';
import type { FaultLog } from './fault-log.js';

/** What the heartbeat needs of a connection. */
export interface Beating extends Pick<Connection, 'id' | 'path' | 'transport'> {
  /** When the last sign of life was received, in milliseconds of `performance.now()`. */
  readonly lastSeenAt: number;
  /** True while this side deliberately does not read from it: silence then says nothing about the peer. */
  readonly isPaused: boolean;
  /** Written by the heartbeat only: the slot that it is in, or -1. */
  beatSlot: number;
  /** Written by the heartbeat only: when it was last pinged, in milliseconds of `performance.now()`. */
  beatPingAt: number;
  ping(): void;
  /** Called when it was silent for the idle time. The heartbeat has removed it. */
  expire(silentMs: number): void;
}

/** The timings, in seconds. A ping interval of 0 turns pings off; an idle time of 0 never closes a connection. */
export interface HeartbeatTimings {
  readonly heartbeatPingInterval: number;
  readonly heartbeatIdleTime: number;
  readonly heartbeatCheckInterval: number;
}

/** Connections that one turn of the event loop checks: about 2 ms of pings. */
const BATCH = 200;

/**
 * The widest slot, in milliseconds. A ping is at most two slots late: its own and that of the sweep. A wide slot puts
 * more pings, and so more pongs, into one turn of the event loop: a ping costs a third less CPU than with 125 ms.
 */
const MAX_SLOT_MS = 500;

/** A sweep this late (ms) means that the event loop was blocked; frames from peers may still be unread. */
const STALL_MS = 2000;

export class Heartbeat {
  private readonly pingMs: number;
  private readonly idleMs: number;
  private readonly checkMs: number;
  private readonly slotMs: number;
  private size = 0;
  private readonly slots = new Map<number, Set<Beating>>();
  private readonly startedAt = performance.now();
  /** The first slot that has not been swept yet. */
  private cursor = 0;
  private sweptAt = this.startedAt;
  /** When the last stall ended; silence before that does not count. */
  private resumedAt = this.startedAt;
  private timer?: NodeJS.Timeout;
  private rest?: NodeJS.Immediate;

  /** @param faults gets what a connection throws; the others are checked all the same */
  constructor(
    timings: HeartbeatTimings,
    private readonly faults: Pick<FaultLog, 'report'>,
  ) {
    this.pingMs = timings.heartbeatPingInterval * 1000;
    this.idleMs = timings.heartbeatIdleTime * 1000;
    this.checkMs = timings.heartbeatCheckInterval * 1000;
    const shortest = Math.min(this.pingMs || Infinity, this.idleMs ? this.checkMs : Infinity);
    this.slotMs = Math.max(1, Math.min(MAX_SLOT_MS, shortest / 40));
  }

  /** Starts to ping and check a connection. */
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

  /** Stops checking a connection. Nothing happens when it was not added. */
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

  /** Checks every connection whose slot is due, and continues in the next turn when there are many. */
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
        this.tryLook(connection, now);
        // The connection's methods may have stopped the heartbeat
        if (!this.timer) return;
      }
      this.slots.delete(this.cursor);
    }
  }

  private tryLook(connection: Beating, now: number): void {
    try {
      this.look(connection, now);
    } catch (error) {
      this.faults.report(connection, 'heartbeat', error);
      if (connection.beatSlot >= 0) this.place(connection, now);
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
    // One that is not read is pinged all the same: the end of its client shows only when something is written
    const isQuiet = connection.isPaused || silentMs >= this.pingMs;
    if (this.pingMs > 0 && isQuiet && now - connection.beatPingAt >= this.pingMs) {
      connection.beatPingAt = now;
      connection.ping();
    }
    if (connection.beatSlot >= 0) this.place(connection, now);
  }

  /** Puts a connection into the slot of its next ping, or of the first check after its idle time. */
  private place(connection: Beating, now: number): void {
    const since = this.quietSince(connection, now);
    const pingDue = this.pingMs > 0 ? Math.max(since, connection.beatPingAt) + this.pingMs : Infinity;
    const slot = Math.ceil((Math.min(pingDue, this.checkAfter(since)) - this.startedAt) / this.slotMs);
    connection.beatSlot = Math.max(slot, this.cursor + 1);
    const occupants = this.slots.get(connection.beatSlot);
    if (occupants) occupants.add(connection);
    else this.slots.set(connection.beatSlot, new Set([connection]));
  }

  /** @returns the first check after the idle time of a connection that has been silent since then */
  private checkAfter(since: number): number {
    if (this.idleMs === 0) return Infinity;
    return this.startedAt + Math.ceil((since + this.idleMs - this.startedAt) / this.checkMs) * this.checkMs;
  }

  private quietSince(connection: Beating, now: number): number {
    return connection.isPaused ? now : Math.max(connection.lastSeenAt, this.resumedAt);
  }
}
