/**
 * Bounds the time until a new network connection has sent its first request. Node's own `headersTimeout` acts only every
 * 30 s, and a half-sent upgrade fires no event at all.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { addressOf } from './handshake-request.js';
import type { Limits } from './limits.js';

export class HeaderDeadline {
  private readonly timers = new Map<Socket, NodeJS.Timeout>();
  private readonly connected = (socket: Socket) => this.watch(socket);
  private readonly requested = ({ socket }: IncomingMessage) => this.release(socket);
  /** With TLS the socket that requests come on exists only after its handshake. */
  private readonly event: 'connection' | 'secureConnection';

  /** @param seconds how long a first request may take; 0 is for ever */
  constructor(
    private readonly server: Server,
    private readonly seconds: number,
    private readonly limits: Limits,
  ) {
    this.event = server instanceof TlsServer ? 'secureConnection' : 'connection';
    if (seconds === 0) return;
    server.on(this.event, this.connected);
    server.prependListener('request', this.requested);
  }

  /** Takes the listeners off the server, and lets those be that it watched. */
  stop(): void {
    this.server.off(this.event, this.connected);
    this.server.off('request', this.requested);
    for (const socket of this.timers.keys()) this.release(socket);
  }

  /** The first request has come; upgrades say so themselves. */
  release(socket: Socket): void {
    clearTimeout(this.timers.get(socket));
    this.timers.delete(socket);
  }

  private watch(socket: Socket): void {
    const timer = setTimeout(() => {
      this.timers.delete(socket);
      if (this.limits.reached('headerTime', `ip=${addressOf(socket)} seconds=${this.seconds}`)) socket.destroy();
    }, this.seconds * 1000);
    timer.unref();
    this.timers.set(socket, timer);
    socket.once('close', () => this.release(socket));
  }
}
