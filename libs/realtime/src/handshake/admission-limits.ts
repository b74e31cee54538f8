/** Road IN, step 2: the limits on who may connect. Each refuses with an HTTP answer that says when to come back. */
import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../errors.js';
import type { Identity } from '../hooks.js';
import { checkName, tooManyRooms } from '../limits/checks.js';
import type { LimitName } from '../limits/limits.js';
import { RateWindow } from '../limits/rate-window.js';
import type { Node } from '../node/node.js';
import { UNIX } from '../http/platform-request.js';
import { Addresses, isUnknownProxy, type TrustsPeer } from './addresses.js';
import { type Place, Places } from './places.js';

const TRUST = "Set Express's 'trust proxy' or Fastify's trustProxy.";

/** The peer of a unix socket has no address that could be listed. */
const TRUST_UNIX = "Set Express's 'trust proxy' to 1 or Fastify's trustProxy to (_address, hop) => hop === 0.";

export class AdmissionLimits {
  readonly addresses: Addresses;
  readonly places: Places;
  private readonly rate?: RateWindow;
  private hasWarned = false;
  /** The platform's answer, once there is one. */
  trustsPeer: TrustsPeer = () => false;

  constructor(private readonly node: Pick<Node, 'settings' | 'limits' | 'hub' | 'log'>) {
    const { maxConnectionRate, maxConnectionRatePerAddress } = node.settings;
    this.addresses = new Addresses(maxConnectionRatePerAddress || Infinity);
    this.places = new Places(this.addresses);
    if (maxConnectionRate > 0) this.rate = new RateWindow(maxConnectionRate);
  }

  /**
   * @param underWay handshakes in progress, not counting this one
   * @throws HandshakeError 503 when the node has all the connections it may have
   */
  requireRoom(underWay: number): void {
    const open = this.node.hub.connections.size;
    if (open + underWay < this.node.settings.maxConnections) return;
    this.refuse('connections', 503, 'Too many connections', `open=${open}`, 5);
  }

  /**
   * @param underWay handshakes in progress, not counting this one
   * @throws HandshakeError 503 when the node is busy
   */
  requireCapacity(underWay: number): void {
    const { maxUnfinishedHandshakes } = this.node.settings;
    if (maxUnfinishedHandshakes > 0 && underWay >= maxUnfinishedHandshakes) {
      this.refuse('unfinishedHandshakes', 503, 'Too many handshakes in progress', `unfinished=${underWay}`, 1);
    }
    if (this.rate && !this.rate.take())
      this.refuse('connectionRate', 503, 'Too many new connections per second', 'node=this', 1);
  }

  /**
   * @param hasPlace true for a client that goes on with a connection
   * @throws HandshakeError 429 for an address that fails or connects too often, or has all the connections it may have
   */
  requireAddress(request: IncomingMessage, address: string, hasPlace = false): void {
    if (this.isShared(request, address)) return;
    const { maxConnectionRatePerAddress } = this.node.settings;
    const { addresses } = this;
    const at = `ip=${address}`;
    if (this.hasFailedTooOften(address)) {
      this.refuse('failedHandshakes', 429, 'Too many failed handshakes from this address', at, 60);
    }
    if (maxConnectionRatePerAddress > 0 && !addresses.mayOpen(address)) {
      this.refuse('connectionRatePerAddress', 429, 'Too many new connections per second from this address', at, 1);
    }
    // In report-only mode only takePlace() checks this, so that it is counted once
    if (!hasPlace && !this.node.limits.isReportOnly) this.requirePlace(request, address);
  }

  /** @throws HandshakeError 429 for an address that has all the connections it may have */
  requirePlace(request: IncomingMessage, address: string): void {
    const max = this.node.settings.maxConnectionsPerAddress;
    if (max === 0 || this.addresses.openOf(address) < max || this.isShared(request, address)) return;
    this.refuse(
      'connectionsPerAddress',
      429,
      'Too many connections from this address: close one first',
      `ip=${address}`,
      5,
    );
  }

  /** @throws RealtimeError when a hook returns bad names of rooms, or too many of them: a fault of the application */
  requireRooms(rooms: readonly string[]): void {
    const max = this.node.settings.maxRoomsPerConnection;
    for (const room of rooms) checkName('room', room, this.node);
    if (rooms.length > max && new Set(rooms).size > max && this.node.limits.reached('rooms', `rooms=${rooms.length}`)) {
      throw tooManyRooms(max);
    }
  }

  /**
   * Takes a place. It checks the address and the user again, because many requests may pass the first check at once.
   *
   * @param identity empty if the first message will identify the client
   */
  takePlace(request: IncomingMessage, address: string, { userId, replace }: Identity): Place {
    this.requirePlace(request, address);
    if (userId !== undefined && !replace && !this.node.limits.isReportOnly) this.requireUser(userId);
    return this.places.take(address, userId);
  }

  /** @throws HandshakeError 429 for a user who has all the connections they may have */
  requireUser(userId: string): void {
    const max = this.node.settings.maxConnectionsPerUser;
    const open = this.places.ofUser(userId);
    if (max > 0 && open >= max)
      this.refuse('connectionsPerUser', 429, 'Too many connections of this user: close one first', `open=${open}`, 5);
  }

  hasFailedTooOften(address: string): boolean {
    const { maxFailedHandshakes } = this.node.settings;
    return maxFailedHandshakes > 0 && this.addresses.failuresOf(address) >= maxFailedHandshakes;
  }

  /** Counts a failed handshake; one that is refused at a limit does not count. */
  failed(request: IncomingMessage, address: string): void {
    if (!this.isShared(request, address)) this.addresses.failed(address);
  }

  private refuse(name: LimitName, status: number, message: string, at: string, retryAfterSeconds: number): void {
    if (!this.node.limits.reached(name, at)) return;
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    throw new HandshakeError(status, { statusCode: status, message }, headers, `limit_${name}`);
  }

  /** Returns whether many clients may have this address, so that no limit applies to it. */
  private isShared(request: IncomingMessage, address: string): boolean {
    if (!isUnknownProxy(request, address, this.trustsPeer)) return address === UNIX;
    if (!this.hasWarned) {
      this.hasWarned = true;
      this.node.log.warn(
        `Clients come through a proxy at ${address} that the application does not trust: limits per address are off for it. ` +
          (address === UNIX ? TRUST_UNIX : TRUST),
      );
    }
    return true;
  }
}
