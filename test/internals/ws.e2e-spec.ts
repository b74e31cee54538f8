/**
 * What this library knows of ws beyond its documentation. Each of it stays in the file that needs it
 * (docs/architecture.md, "What is not public"): a new version of ws that changes it fails here, by name.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { closeFrame, frame, Opcode, RawSocket } from '../support/clients/raw-socket.js';

/** Records the calls that ws makes on a WebSocket, in order. */
class Recording extends WebSocket {
  private readonly calls: unknown[][] = [];
  private called = () => {};

  override emit(event: string, ...args: unknown[]): boolean {
    this.record(event, ...args);
    return true;
  }

  override close(code?: number, reason?: string | Buffer): void {
    this.record('close()', code, reason);
    super.close(code, reason);
  }

  /** Waits until ws has made so many calls since it was opened. */
  async recorded(count: number): Promise<unknown[][]> {
    while (this.calls.length <= count) await new Promise<void>((resolve) => (this.called = resolve));
    return this.calls.slice(1);
  }

  private record(...call: unknown[]): void {
    this.calls.push(call.map((part) => (Buffer.isBuffer(part) ? part.toString() : part)));
    this.called();
  }
}

let http: Server;
let client: RawSocket;
let webSocket: Recording;
let socket: Socket;
let wasCalledAtOnce: boolean;

beforeEach(async () => {
  const server = new WebSocketServer({ noServer: true, clientTracking: false, autoPong: false, WebSocket: Recording });
  http = createServer().listen(0, '127.0.0.1');
  await once(http, 'listening');
  http.on('upgrade', (request: IncomingMessage, stream: Socket, head: Buffer) => {
    let isOpen = false;
    server.handleUpgrade(request, stream, head, (opened) => {
      isOpen = true;
      [webSocket, socket] = [opened, stream];
    });
    wasCalledAtOnce = isOpen;
  });
  const { port } = http.address() as AddressInfo;
  client = await RawSocket.upgraded(port, {}, undefined, { staysOpen: true });
});

afterEach(async () => {
  client.destroy();
  await new Promise((closed) => http.close(closed));
});

it('ws calls back for a handshake before handleUpgrade returns', () => {
  expect(wasCalledAtOnce).toBe(true);
});

it('ws reports messages, pings, pongs and the end of a WebSocket through its emit, and answers a close frame through its close', async () => {
  client.send(frame({ payload: 'text' }), frame({ opcode: Opcode.BINARY, payload: 'bytes' }));
  client.send(frame({ opcode: Opcode.PING, payload: 'ping' }), frame({ opcode: Opcode.PONG, payload: 'pong' }));
  client.send(closeFrame(4000, 'bye'));
  await webSocket.recorded(5);
  client.finish();
  expect(await webSocket.recorded(6)).toEqual([
    ['message', 'text', false],
    ['message', 'bytes', true],
    ['ping', 'ping'],
    ['pong', 'pong'],
    ['close()', 4000, 'bye'],
    ['close', 4000, 'bye'],
  ]);
});

it('ws reports a broken rule through emit, with its code', async () => {
  client.send(frame({ rsv: 1 }));
  const found = await webSocket.recorded(2);
  expect(found).toContainEqual(['error', expect.objectContaining({ code: 'WS_ERR_UNEXPECTED_RSV_2_3' })]);
});

it('ws ends the socket through its end when the client has ended its half', async () => {
  const ended = new Promise<void>((resolve) => {
    const { end } = socket;
    socket.end = (...args: unknown[]) => {
      resolve();
      return Reflect.apply(end, socket, args) as Socket;
    };
  });
  client.finish();
  await ended;
});

it('ws counts bytes that were written to the socket beside it, and writes its own after them', async () => {
  socket.cork();
  socket.write(Buffer.from([0x81, 2, ...Buffer.from('me')]));
  expect(webSocket.bufferedAmount).toBe(4);
  webSocket.send('you');
  socket.uncork();
  const texts = [await client.frame(), await client.frame()].map(({ payload }) => payload.toString());
  expect(texts).toEqual(['me', 'you']);
});
