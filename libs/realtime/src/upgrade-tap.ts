/**
 * Road IN, before step 1: takes the upgrades of our paths out of the HTTP server's `upgrade` event and leaves all others
 * alone. Listeners elsewhere cut what they do not know or what takes long (Nest's WsAdapter, Socket.IO): they never see
 * ours, whatever the order they were added in. What nobody knows gets 404.
 */
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { refusal } from './refusals.js';
import { splitTarget } from './handshake-request.js';
import { writeRefusal } from './refusal-writer.js';

/** Who takes the upgrades. */
export interface UpgradeTaker {
  serves(path: string): boolean;
  /** Any upgrade has come, on whatever path. */
  arrived(stream: Duplex): void;
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void;
}

export class UpgradeTap {
  private readonly original: Server['emit'];
  private readonly replaced: Server['emit'];

  constructor(
    private readonly server: Server,
    private readonly taker: UpgradeTaker,
  ) {
    const emit = (this.original = server.emit);
    this.replaced = (event: string | symbol, ...args: unknown[]): boolean => {
      if (event === 'upgrade' && this.take(...(args as [IncomingMessage, Duplex, Buffer]))) return true;
      return Reflect.apply(emit, server, [event, ...args]) as boolean;
    };
    server.emit = this.replaced;
    // Node hands out upgrades only when somebody listens
    server.on('upgrade', nobody);
  }

  /** Gives the server back as it was. */
  detach(): void {
    this.server.off('upgrade', nobody);
    if (this.server.emit === this.replaced) this.server.emit = this.original;
  }

  private take(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    this.taker.arrived(stream);
    if (this.taker.serves(splitTarget(request.url ?? '').path)) {
      this.taker.upgrade(request, stream, head);
      return true;
    }
    if (this.server.listenerCount('upgrade') > 1) return false;
    stream.on('error', () => stream.destroy());
    if (request.headers.upgrade?.toLowerCase() === 'websocket') writeRefusal(stream, refusal(404, 'No gateway here'));
    else this.answerAsRequest(request, stream as Socket);
    return true;
  }

  /**
   * An offer to speak another protocol, such as the `h2c` of Java's HTTP client: a server that does not want it answers
   * as if it had not been made (RFC 9110 §7.8), and without us Node would have.
   */
  private answerAsRequest(request: IncomingMessage, socket: Socket): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => {
      response.detachSocket(socket);
      socket.destroySoon();
    });
    this.server.emit('request', request, response);
  }
}

function nobody(): void {}
