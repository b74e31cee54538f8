/**
 * Limits the time until a new network connection has sent its first request, including the TLS handshake. Node checks
 * its own `headersTimeout` only every 30 s, its `handshakeTimeout` is 120 s, and a half-sent upgrade fires no event.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Deadlines } from '../limits/deadlines.js';
import type { Limits } from '../limits/limits.js';
import { addressOf } from './platform-request.js';

export class HeaderDeadline {
  private readonly waiting: Deadlines<Socket>;
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
    const forget = (socket: Socket) => this.forget(socket);
    this.closed = function () {
      forget(this);
    };
    if (seconds === 0) return;
    server.on('connection', this.connected);
    server.prependListener('request', this.requested);
  }

  /** How many connections have not sent their first request; 0 where the limit is off. */
  get size(): number {
    return this.waiting.size;
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
    const wire = wireUnder(socket);
    if (wire) this.forget(wire);
  }

  private watch(socket: Socket & Accepted): void {
    socket[WIRE] = socket;
    this.waiting.add(socket);
    socket.on('close', this.closed);
  }

  private forget(socket: Socket): void {
    this.waiting.delete(socket);
    socket.off('close', this.closed);
  }

  private late(socket: Socket): void {
    this.forget(socket);
    if (this.limits.reached('headerTime', `ip=${addressOf(socket)} seconds=${this.seconds}`)) socket.destroy();
  }
}

/** Marks an accepted network connection. */
const WIRE = Symbol('wire');

interface Accepted {
  [WIRE]?: Socket;
  /** The network connection under a TLS connection. */
  readonly _parent?: Accepted | null;
}

/**
 * Requests may come on another socket than the accepted one. With TLS it is on top of that, and with HTTP/2 it stands
 * for it, and has its properties. Addresses and ports do not tell: on a unix socket nobody has any.
 */
function wireUnder(socket: Socket & Accepted): Socket | undefined {
  return socket[WIRE] ?? socket._parent?.[WIRE];
}
