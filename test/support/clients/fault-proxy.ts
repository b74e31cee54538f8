/** A reverse proxy that breaks things: it strips `Upgrade`, cuts long responses, or loses answers. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Faults {
  /** Passes every request on without `Upgrade`. */
  readonly stripsUpgrade?: boolean;
  /** Cuts every response this many milliseconds after its request. */
  readonly cutsAfterMs?: number;
  /** Called for every chunk of an answer to a GET; true loses half of the chunk, and the connection. */
  readonly loses?: () => boolean;
}

export class FaultProxy {
  /** How many responses did not arrive as a whole. */
  broken = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly target: string | (() => string),
    private readonly faults: Faults,
    private readonly server: Server,
  ) {
    server.on('request', (incoming, outgoing) => this.pass(incoming, outgoing));
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** @param target for example `http://127.0.0.1:3000`; a function is asked for each request */
  static async start(target: string | (() => string), faults: Faults): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(target, faults, server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming;
    const { upgrade: _upgrade, connection: _connection, ...others } = headers;
    const passed = this.faults.stripsUpgrade ? others : headers;
    const target = typeof this.target === 'string' ? this.target : this.target();
    const forward = request(target + url, { method, headers: passed }, (answer) =>
      this.answer(answer, incoming, outgoing),
    );
    forward.on('error', () => outgoing.destroy());
    const { cutsAfterMs } = this.faults;
    const timer = cutsAfterMs === undefined ? undefined : setTimeout(() => this.cut(outgoing), cutsAfterMs);
    outgoing.on('close', () => clearTimeout(timer));
    outgoing.on('close', () => forward.destroy());
    incoming.pipe(forward);
  }

  private cut(outgoing: ServerResponse): void {
    this.broken++;
    outgoing.socket?.destroy();
  }

  private answer(answer: IncomingMessage, { method }: IncomingMessage, outgoing: ServerResponse): void {
    const { loses } = this.faults;
    outgoing.writeHead(answer.statusCode!, answer.headers).flushHeaders();
    let isLost = false;
    answer.on('data', (chunk: Buffer) => {
      if (isLost || outgoing.destroyed) return;
      isLost = method === 'GET' && Boolean(loses?.());
      if (isLost) outgoing.write(chunk.subarray(0, chunk.length / 2), () => this.cut(outgoing));
      else outgoing.write(chunk);
    });
    answer.on('end', () => isLost || outgoing.end());
    answer.on('error', () => outgoing.destroy());
  }
}
