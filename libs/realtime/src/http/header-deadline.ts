/**
 * Limits the time until a new network connection has sent its first request, including the TLS handshake. Node checks
 * its own `headersTimeout` only every 30 s, its `handshakeTimeout` is 120 s, and a half-sent upgrade fires no event.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { Deadlines } from '../limits/deadlines.js';
import type { Limits } from '../limits/limits.js';
import { addressOf } from './platform-request.js';

export class HeaderDeadline {
  private readonly waiting: Deadlines<Socket>;
  private readonly wires?: Wires;
  private readonly connected = (socket: Socket) => this.watch(socket);
  private readonly requested = ({ socket }: IncomingMessage) => this.release(socket);
  /** One listener for all sockets: `this` is the socket that closed. */
  private readonly closed: (this: Socket) => void;

  /** @param seconds how long a first request may take; 0 turns the limit off */
  constructor(
    private readonly server: Server,
    private readonly seconds: number,
    private readonly limits: Limits,
  ) {
    this.waiting = new Deadlines(
      seconds * 1000,
      (socket) => this.late(socket),
      (_error, socket) => socket.destroy(),
    );
    if (server instanceof TlsServer) this.wires = new Wires();
    const forget = (socket: Socket) => this.forget(socket);
    this.closed = function () {
      forget(this);
    };
    if (seconds === 0) return;
    server.on('connection', this.connected);
    server.prependListener('request', this.requested);
  }

  /** Removes the listeners, and cuts sockets that have sent no request yet: the server would wait for them to close. */
  stop(): void {
    this.server.off('connection', this.connected);
    this.server.off('request', this.requested);
    for (const socket of this.waiting.clear()) {
      this.forget(socket);
      socket.destroy();
    }
  }

  /** Stops the time of a socket whose first request has come. For upgrades the upgrade tap calls it. */
  release(socket: Socket): void {
    if (this.waiting.size === 0) return;
    const wire = this.wires ? this.wires.under(socket) : socket;
    if (wire) this.forget(wire);
  }

  private watch(socket: Socket): void {
    this.wires?.add(socket);
    this.waiting.add(socket);
    socket.on('close', this.closed);
  }

  private forget(socket: Socket): void {
    this.waiting.delete(socket);
    this.wires?.delete(socket);
    socket.off('close', this.closed);
  }

  private late(socket: Socket): void {
    this.forget(socket);
    if (this.limits.reached('headerTime', `ip=${addressOf(socket)} seconds=${this.seconds}`)) socket.destroy();
  }
}

/** With TLS, requests come on a different socket from the accepted one; both have the same addresses and ports. */
class Wires {
  private readonly byEnds = new Map<string, Socket>();
  /** A closed socket does not know its addresses any more. */
  private readonly endsOf = new Map<Socket, string>();

  add(wire: Socket): void {
    const ends = endsOf(wire);
    this.byEnds.set(ends, wire);
    this.endsOf.set(wire, ends);
  }

  under(socket: Socket): Socket | undefined {
    return this.byEnds.get(endsOf(socket));
  }

  delete(wire: Socket): void {
    const ends = this.endsOf.get(wire);
    if (ends === undefined) return;
    this.endsOf.delete(wire);
    if (this.byEnds.get(ends) === wire) this.byEnds.delete(ends);
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
