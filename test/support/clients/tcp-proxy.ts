/** A TCP proxy that breaks things between a client and a server: it cuts, pauses, delays or swallows what passes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What passes at once where the bytes per second are bounded. */
const PACKET_BYTES = 1400;

interface Passage {
  readonly client: Socket;
  readonly server: Socket;
  /** True once the client has subscribed to something. */
  subscribes: boolean;
  /** True when nothing that the server sends arrives any more. */
  isDeaf: boolean;
  /** True when nothing that the client sends arrives any more. */
  isMute: boolean;
}

export class TcpProxy {
  private readonly passages = new Set<Passage>();
  private delayMs = 0;
  private lagMs = { commands: 0, messages: 0 };
  private bytesPerMs = Infinity;
  private isPaused = false;
  private left = Infinity;

  private constructor(
    private target: number,
    private readonly server: Server,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  /** @param target a port of this machine */
  static async start(target: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(target, server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** How many clients are connected. */
  get size(): number {
    return this.passages.size;
  }

  /** New connections reach another port of this machine, as after a failover. */
  retarget(port: number): void {
    this.target = port;
  }

  /** Ends all connections with a reset. */
  cut(): void {
    for (const { client } of this.passages) client.resetAndDestroy();
  }

  /** Ends all connections after so many more bytes, of both directions together: in the middle of a frame, or of a header. */
  cutAfter(bytes: number): void {
    this.left = bytes;
  }

  /** Passes nothing on, of new connections neither, until `resume`; then nothing is lost. */
  pause(): void {
    this.isPaused = true;
    for (const passage of this.passages) this.stall(passage);
  }

  resume(): void {
    this.isPaused = false;
    for (const { client, server } of this.passages) {
      client.resume();
      server.resume();
    }
  }

  /** Every chunk arrives so much later, in both directions. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Commands reach the server so much later, and messages those who subscribe, in milliseconds; answers come at once. */
  lag(lagMs: { readonly commands: number; readonly messages: number }): void {
    this.lagMs = lagMs;
  }

  /** Each connection passes so many bytes per second in each direction, and whoever sends more has to wait. */
  throttle(bytesPerSecond: number): void {
    this.bytesPerMs = bytesPerSecond / 1000;
  }

  /** The connections stay open, but nothing arrives any more, as after a power failure; new connections work. */
  halfOpen(): void {
    for (const passage of this.passages) passage.isDeaf = passage.isMute = true;
  }

  /** Connections that subscribe hear nothing any more, while all others and new ones work. */
  wedgeSubscribers(): void {
    for (const passage of this.passages) passage.isDeaf = passage.subscribes;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private accept(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const passage: Passage = { client, server, subscribes: false, isDeaf: false, isMute: false };
    this.passages.add(passage);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => this.pass(passage, chunk, to));
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.passages.delete(passage);
      });
    }
    if (this.isPaused) this.stall(passage);
  }

  private stall({ client, server }: Passage): void {
    client.pause();
    server.pause();
  }

  private pass(passage: Passage, chunk: Buffer, to: Socket): void {
    const isFromClient = to === passage.server;
    if (isFromClient && /subscribe\r\n/i.test(chunk.toString('latin1'))) passage.subscribes = true;
    if (isFromClient ? passage.isMute : passage.isDeaf) return;
    const lagMs = this.lagMs[isFromClient ? 'commands' : 'messages'];
    if (lagMs > 0 && isFromClient !== passage.subscribes) return void setTimeout(() => this.deliver(chunk, to), lagMs);
    if (this.bytesPerMs === Infinity) return this.deliver(chunk, to);
    const from = isFromClient ? passage.client : passage.server;
    from.pause();
    setTimeout(() => this.isPaused || from.resume(), chunk.length / this.bytesPerMs);
    for (let start = 0; start < chunk.length; start += PACKET_BYTES) {
      const packet = chunk.subarray(start, start + PACKET_BYTES);
      setTimeout(() => this.deliver(packet, to), (start + packet.length) / this.bytesPerMs);
    }
  }

  private deliver(chunk: Buffer, to: Socket): void {
    if (chunk.length >= this.left) return this.cutInside(chunk.subarray(0, this.left), to);
    this.left -= chunk.length;
    if (this.delayMs === 0) to.write(chunk);
    else setTimeout(() => to.write(chunk), this.delayMs);
  }

  private cutInside(part: Buffer, to: Socket): void {
    this.left = Infinity;
    to.write(part, () => this.cut());
  }
}
