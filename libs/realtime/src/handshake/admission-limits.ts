/** Road IN, step 2: the bounds of who may connect. Each refuses with the HTTP answer that says when to come back. */
import type { IncomingMessage } from 'node:http';
import { channelOf } from '../command.js';
import { HandshakeError, RealtimeError } from '../errors.js';
import type { Identity } from '../hooks.js';
import type { Hub } from '../hub.js';
import { checkName } from '../limits/checks.js';
import type { LimitName, Limits } from '../limits/limits.js';
import { RateWindow } from '../limits/rate-window.js';
import type { Log } from '../log.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { Addresses, isUnknownProxy } from './addresses.js';

/** The node. */
export interface HandshakeHost {
  readonly settings: RealtimeSettings;
  readonly limits: Limits;
  readonly hub: Hub;
  readonly log: Log;
}

export class AdmissionLimits {
  readonly addresses: Addresses;
  private readonly rate?: RateWindow;
  private hasWarned = false;
  /** How many of a user are admitted and not yet a connection. */
  private readonly coming = new Map<string, number>();

  constructor(private readonly host: HandshakeHost) {
    const { maxConnectionRate, maxConnectionRatePerAddress } = host.settings;
    this.addresses = new Addresses(maxConnectionRatePerAddress || Infinity);
    if (maxConnectionRate > 0) this.rate = new RateWindow(maxConnectionRate);
  }

  /** @param underWay handshakes under way, this one not counted */
  requireCapacity(underWay: number): void {
    const { maxConnections, maxUnfinishedHandshakes } = this.host.settings;
    const open = this.host.hub.connections.size;
    if (open + underWay >= maxConnections) this.refuse('connections', 503, 'Too many connections', `open=${open}`, 5);
    if (maxUnfinishedHandshakes > 0 && underWay >= maxUnfinishedHandshakes) {
      this.refuse('unfinishedHandshakes', 503, 'Too many handshakes under way', `unfinished=${underWay}`, 1);
    }
    if (this.rate && !this.rate.take()) this.refuse('connectionRate', 503, 'Too many new connections', 'node=this', 1);
  }

  /** @param address the client's, undefined while it is not known */
  requireAddress(request: IncomingMessage, address: string): void {
    if (this.isProxy(request, address)) return;
    const { maxConnectionRatePerAddress } = this.host.settings;
    const { addresses } = this;
    const at = `ip=${address}`;
    if (this.hasFailedTooOften(address)) {
      this.refuse('failedHandshakes', 429, 'Too many failed handshakes', at, 60);
    }
    if (maxConnectionRatePerAddress > 0 && !addresses.mayOpen(address)) {
      this.refuse('connectionRatePerAddress', 429, 'Too many new connections', at, 1);
    }
    // Only reported, it is counted where a place is taken: once
    if (!this.host.limits.isReportOnly) this.requireRoom(request, address);
  }

  /** Asked once more when a place is taken: many may have come in at the same time. */
  requireRoom(request: IncomingMessage, address: string): void {
    const max = this.host.settings.maxConnectionsPerAddress;
    if (max === 0 || this.addresses.openOf(address) < max || this.isProxy(request, address)) return;
    this.refuse('connectionsPerAddress', 429, 'Too many connections', `ip=${address}`, 5);
  }

  /** @throws RealtimeError when a hook gave a new connection rooms that it may not be in: the application's fault */
  requireRooms(rooms: readonly string[]): void {
    const max = this.host.settings.maxRoomsPerConnection;
    for (const room of rooms) checkName('room', room, this.host);
    if (rooms.length > max && new Set(rooms).size > max && this.host.limits.reached('rooms', `rooms=${rooms.length}`)) {
      throw new RealtimeError(
        'too_many_rooms',
        `A connection is in at most ${max} rooms (REALTIME_MAX_ROOMS_PER_CONNECTION)`,
      );
    }
  }

  /**
   * Asks `requireUser` once more, as many may have been asked about in the same moment, and takes a place.
   *
   * @returns gives the place back: when there is a connection, or will be none
   */
  takeUser({ userId, replace }: Identity): () => void {
    if (userId === undefined) return () => {};
    if (!replace && !this.host.limits.isReportOnly) this.requireUser(userId);
    this.coming.set(userId, (this.coming.get(userId) ?? 0) + 1);
    return () => {
      const left = this.coming.get(userId)! - 1;
      if (left > 0) this.coming.set(userId, left);
      else this.coming.delete(userId);
    };
  }

  requireUser(userId: string): void {
    const max = this.host.settings.maxConnectionsPerUser;
    const open = this.host.hub.size(channelOf.user(userId)) + (this.coming.get(userId) ?? 0);
    if (max > 0 && open >= max) this.refuse('connectionsPerUser', 429, 'Too many connections', `open=${open}`, 5);
  }

  hasFailedTooOften(address: string): boolean {
    const { maxFailedHandshakes } = this.host.settings;
    return maxFailedHandshakes > 0 && this.addresses.failuresOf(address) >= maxFailedHandshakes;
  }

  /** A handshake was refused; not for its bounds. */
  failed(request: IncomingMessage, address: string): void {
    if (!isUnknownProxy(request, address)) this.addresses.failed(address);
  }

  private refuse(name: LimitName, status: number, message: string, at: string, retryAfterSeconds: number): void {
    if (!this.host.limits.reached(name, at)) return;
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    throw new HandshakeError(status, { statusCode: status, message }, headers, `limit_${name}`);
  }

  private isProxy(request: IncomingMessage, address: string): boolean {
    if (!isUnknownProxy(request, address)) return false;
    if (!this.hasWarned) {
      this.hasWarned = true;
      this.host.log.warn(
        `Clients come through a proxy at ${address} that the application does not trust: bounds per address are off for it. ` +
          "Set Express's 'trust proxy' or Fastify's trustProxy.",
      );
    }
    return true;
  }
}
