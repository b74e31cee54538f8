import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { readBody } from './http.js';
import { type Refusal, refusalOf, type Wire, type WireOptions, type WireOwner } from './wire.js';

export class WebSocketWire implements Wire {
  readonly transport = 'websocket';
  readonly id = undefined;
  port: number | undefined = undefined;

  private constructor(readonly socket: WebSocket) {}

  /** @throws Refusal */
  static async connect(url: string, options: WireOptions, owner: WireOwner): Promise<WebSocketWire> {
    const { headers, protocols, timeoutMs } = options;
    const socket = new WebSocket(url.replace(/^http/, 'ws'), [...protocols], { headers, handshakeTimeout: timeoutMs });
    const wire = new WebSocketWire(socket);
    // The port is gone once the client has left, and a message may come with the 101
    socket.once('upgrade', (response) => (wire.port = (response.socket as Socket).localPort));
    socket.on('message', (data, isBinary) => owner.received(isBinary ? (data as Buffer) : (data as Buffer).toString()));
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        readRefusal(response).then(reject, reject);
        socket.once('error', () => {});
      });
      socket.on('close', (code, reason) => owner.ended({ code, reason: reason.toString() }));
    });
    socket.on('error', () => {});
    return wire;
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  vanish(): void {
    this.socket.terminate();
  }
}

async function readRefusal(response: IncomingMessage): Promise<Refusal> {
  return refusalOf('The handshake', response.statusCode ?? 0, response.headers, await readBody(response));
}
