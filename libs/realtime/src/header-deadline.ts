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
  private readonly waiting = new Map<Socket, { readonly timer: NodeJS.Timeout; readonly closed: () => void }>();
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

  /** Takes the listeners off, and cuts who has not asked for anything yet: the server would wait for them to go. */
  stop(): void {
    this.server.off(this.event, this.connected);
    this.server.off('request', this.requested);
    for (const socket of this.waiting.keys()) {
      this.release(socket);
      socket.destroy();
    }
  }

  /** The first request has come; upgrades say so themselves. */
  release(socket: Socket): void {
    const waiting = this.waiting.get(socket);
    if (!waiting) return;
    this.waiting.delete(socket);
    clearTimeout(waiting.timer);
    socket.off('close', waiting.closed);
  }

  private watch(socket: Socket): void {
    const due = () => {
      this.release(socket);
      if (this.limits.reached('headerTime', `ip=${addressOf(socket)} seconds=${this.seconds}`)) socket.destroy();
    };
    const closed = () => this.release(socket);
    const timer = setTimeout(due, this.seconds * 1000);
    timer.unref();
    this.waiting.set(socket, { timer, closed });
    socket.once('close', closed);
  }
}
