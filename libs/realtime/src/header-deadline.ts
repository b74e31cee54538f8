/**
 * Bounds the time until a new network connection has sent its first request, the TLS handshake included. Node's own
 * `headersTimeout` acts only every 30 s, its `handshakeTimeout` is 120 s, and a half-sent upgrade fires no event at all.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { addressOf } from './handshake-request.js';
import type { Limits } from './limits.js';

export class HeaderDeadline {
  private readonly waiting = new Map<Key, Waiting>();
  private readonly connected = (socket: Socket) => this.watch(socket);
  private readonly requested = ({ socket }: IncomingMessage) => this.release(socket);
  private readonly keyOf: (socket: Socket) => Key;

  /** @param seconds how long a first request may take; 0 is for ever */
  constructor(
    private readonly server: Server,
    private readonly seconds: number,
    private readonly limits: Limits,
  ) {
    this.keyOf = server instanceof TlsServer ? endsOf : (socket) => socket;
    if (seconds === 0) return;
    server.on('connection', this.connected);
    server.prependListener('request', this.requested);
  }

  /** Takes the listeners off, and cuts who has not asked for anything yet: the server would wait for them to go. */
  stop(): void {
    this.server.off('connection', this.connected);
    this.server.off('request', this.requested);
    for (const [key, { socket }] of this.waiting) {
      this.forget(key);
      socket.destroy();
    }
  }

  /** The first request has come; upgrades say so themselves. */
  release(socket: Socket): void {
    if (this.waiting.size > 0) this.forget(this.keyOf(socket));
  }

  private forget(key: Key): void {
    const waiting = this.waiting.get(key);
    if (!waiting) return;
    this.waiting.delete(key);
    clearTimeout(waiting.timer);
    waiting.socket.off('close', waiting.closed);
  }

  private watch(socket: Socket): void {
    const key = this.keyOf(socket);
    const due = () => {
      this.forget(key);
      if (this.limits.reached('headerTime', `ip=${addressOf(socket)} seconds=${this.seconds}`)) socket.destroy();
    };
    const closed = () => this.forget(key);
    const timer = setTimeout(due, this.seconds * 1000);
    timer.unref();
    this.waiting.set(key, { socket, timer, closed });
    socket.once('close', closed);
  }
}

/** What a connection is known by. */
type Key = Socket | string;

interface Waiting {
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
  readonly closed: () => void;
}

/** With TLS the socket that requests come on is another one than the one that was accepted; its ends are the same. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
