/** Road IN, step 2: the bounds of who may connect. Each refuses with the HTTP answer that says when to come back. */
import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../errors.js';
import type { Identity } from '../hooks.js';
import { checkName, tooManyRooms } from '../limits/checks.js';
import type { LimitName } from '../limits/limits.js';
import { RateWindow } from '../limits/rate-window.js';
import type { Node } from '../node/node.js';
import { Addresses, isUnknownProxy } from './addresses.js';
import { type Place, Places } from './places.js';

export class AdmissionLimits {
  readonly addresses: Addresses;
  readonly places: Places;
  private readonly rate?: RateWindow;
  private hasWarned = false;

  constructor(private readonly node: Pick<Node, 'settings' | 'limits' | 'hub' | 'log'>) {
    const { maxConnectionRate, maxConnectionRatePerAddress } = node.settings;
    this.addresses = new Addresses(maxConnectionRatePerAddress || Infinity);
    this.places = new Places(this.addresses);
    if (maxConnectionRate > 0) this.rate = new RateWindow(maxConnectionRate);
  }

  /** @param underWay handshakes under way, this one not counted */
  requireCapacity(underWay: number): void {
    const { maxConnections, maxUnfinishedHandshakes } = this.node.settings;
    const open = this.node.hub.connections.size;
    if (open + underWay >= maxConnections) this.refuse('connections', 503, 'Too many connections', `open=${open}`, 5);
    if (maxUnfinishedHandshakes > 0 && underWay >= maxUnfinishedHandshakes) {
      this.refuse('unfinishedHandshakes', 503, 'Too many handshakes under way', `unfinished=${underWay}`, 1);
    }
    if (this.rate && !this.rate.take()) this.refuse('connectionRate', 503, 'Too many new connections', 'node=this', 1);
  }

  /** @throws HandshakeError 429 for an address that fails or connects too often */
  requireAddress(request: IncomingMessage, address: string): void {
    if (this.isProxy(request, address)) return;
    const { maxConnectionRatePerAddress } = this.node.settings;
    const { addresses } = this;
    const at = `ip=${address}`;
    if (this.hasFailedTooOften(address)) {
      this.refuse('failedHandshakes', 429, 'Too many failed handshakes', at, 60);
    }
    if (maxConnectionRatePerAddress > 0 && !addresses.mayOpen(address)) {
      this.refuse('connectionRatePerAddress', 429, 'Too many new connections', at, 1);
    }
    // Only reported, it is counted where a place is taken: once
    if (!this.node.limits.isReportOnly) this.requireRoom(request, address);
  }

  /** Asked once more when a place is taken: many may have come in at the same time. */
  requireRoom(request: IncomingMessage, address: string): void {
    const max = this.node.settings.maxConnectionsPerAddress;
    if (max === 0 || this.addresses.openOf(address) < max || this.isProxy(request, address)) return;
    this.refuse('connectionsPerAddress', 429, 'Too many connections', `ip=${address}`, 5);
  }

  /** @throws RealtimeError when a hook gave a new connection rooms that it may not be in: the application's fault */
  requireRooms(rooms: readonly string[]): void {
    const max = this.node.settings.maxRoomsPerConnection;
    for (const room of rooms) checkName('room', room, this.node);
    if (rooms.length > max && new Set(rooms).size > max && this.node.limits.reached('rooms', `rooms=${rooms.length}`)) {
      throw tooManyRooms(max);
    }
  }

  /**
   * Takes a place, after asking again about address and user: many may have been asked about at the same moment.
   *
   * @param identity without a user, where the first message will say who it is
   */
  takePlace(request: IncomingMessage, address: string, { userId, replace }: Identity): Place {
    this.requireRoom(request, address);
    if (userId !== undefined && !replace && !this.node.limits.isReportOnly) this.requireUser(userId);
    return this.places.take(address, userId);
  }

  requireUser(userId: string): void {
    const max = this.node.settings.maxConnectionsPerUser;
    const open = this.places.ofUser(userId);
    if (max > 0 && open >= max) this.refuse('connectionsPerUser', 429, 'Too many connections', `open=${open}`, 5);
  }

  hasFailedTooOften(address: string): boolean {
    const { maxFailedHandshakes } = this.node.settings;
    return maxFailedHandshakes > 0 && this.addresses.failuresOf(address) >= maxFailedHandshakes;
  }

  /** A handshake was refused; not for its bounds. */
  failed(request: IncomingMessage, address: string): void {
    if (!isUnknownProxy(request, address)) this.addresses.failed(address);
  }

  private refuse(name: LimitName, status: number, message: string, at: string, retryAfterSeconds: number): void {
    if (!this.node.limits.reached(name, at)) return;
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    throw new HandshakeError(status, { statusCode: status, message }, headers, `limit_${name}`);
  }

  private isProxy(request: IncomingMessage, address: string): boolean {
    if (!isUnknownProxy(request, address)) return false;
    if (!this.hasWarned) {
      this.hasWarned = true;
      this.node.log.warn(
        `Clients come through a proxy at ${address} that the application does not trust: bounds per address are off for it. ` +
          "Set Express's 'trust proxy' or Fastify's trustProxy.",
      );
    }
    return true;
  }
}
