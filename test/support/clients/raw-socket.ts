/** A client on a bare TCP socket, for tests: it sends any bytes, and parses the bytes of the server. */
import { connect, type Socket } from 'node:net';
import { within } from '../process-guard.js';
import { Opcode, parseFrame, type ServerFrame } from './raw-frames.js';
import { type HttpAnswer, parseAnswer, type RequestParts, upgradeRequest } from './raw-http.js';

export * from './raw-frames.js';
export * from './raw-http.js';

/** How to connect. */
export interface RawOptions {
  /** True keeps the client's side open when the server has ended its own; default false. */
  readonly staysOpen?: boolean;
  /** Longest wait of any call: a guard against hanging, not a measure. Default 10 s. */
  readonly timeoutMs?: number;
}

export class RawSocket {
  private unread = Buffer.alloc(0);
  private hasEnded = false;

  private constructor(
    /** The TCP socket underneath. */
    readonly socket: Socket,
    private readonly timeoutMs: number,
  ) {
    socket.setNoDelay();
    socket.on('data', (chunk: Buffer) => (this.unread = Buffer.concat([this.unread, chunk])));
    socket.on('end', () => (this.hasEnded = true));
    socket.on('close', () => (this.hasEnded = true));
    socket.on('error', () => {});
  }

  /** Connects the TCP socket and sends nothing. */
  static async connect(port: number, { staysOpen = false, timeoutMs = 10_000 }: RawOptions = {}): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: staysOpen });
    const client = new RawSocket(socket, timeoutMs);
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    await within(timeoutMs, 'the TCP connection', connected);
    return client;
  }

  /**
   * Connects and does the handshake.
   *
   * @param first bytes that leave in the same packet as the request
   * @throws Error when the answer is not 101
   */
  static async upgraded(port: number, request: RequestParts = {}, first?: Buffer, options?: RawOptions) {
    const client = await RawSocket.connect(port, options);
    client.send(Buffer.concat([upgradeRequest(request), first ?? Buffer.alloc(0)]));
    const { status, body } = await client.answer();
    if (status !== 101) throw new Error(`The handshake was refused with ${status}: ${body}`);
    return client;
  }

  /** True once the server has ended its side, or the connection is gone. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  /** Sends the bytes as they are; what is passed in one call leaves in one packet if it fits. */
  send(...bytes: (string | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(bytes.map((one) => Buffer.from(one as string))));
  }

  /** Waits for the next answer of the server. @param hasNoBody true when it answers a HEAD */
  answer(hasNoBody = false): Promise<HttpAnswer> {
    return this.take('an HTTP answer', (bytes) => parseAnswer(bytes, { hasNoBody, isOver: this.hasEnded }));
  }

  /**
   * Waits for all answers up to the end, or to a 101.
   *
   * @param count after so many this side ends: a server may keep the connection for more requests
   * @throws Error when there is anything between or after them
   */
  async answers({ count = Infinity, hasNoBody = false } = {}): Promise<HttpAnswer[]> {
    const found: HttpAnswer[] = [];
    for (;;) {
      const next = await this.take('an HTTP answer or the end', (bytes) =>
        bytes.length === 0 && this.hasEnded
          ? ([undefined, 0] as const)
          : parseAnswer(bytes, { hasNoBody, isOver: this.hasEnded }),
      );
      if (next) found.push(next);
      if (!next || next.status === 101) return found;
      if (found.length === count) this.finish();
    }
  }

  /** Waits for the next frame of the server. */
  frame(): Promise<ServerFrame> {
    return this.take('a frame', parseFrame);
  }

  /** Waits for the server's close frame; frames before it are thrown away. */
  async closeFrame(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode !== Opcode.CLOSE) continue;
      if (payload.length === 0) return { code: 1005, reason: '' };
      return { code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) };
    }
  }

  /** Waits until the server has ended its side. @returns the bytes that no call has taken */
  async ended(): Promise<Buffer> {
    await this.take('the end', () => (this.hasEnded ? [true, 0] : undefined));
    return this.unread;
  }

  /** Ends this side (FIN); the client still receives. */
  finish(): void {
    this.socket.end();
  }

  /** Cuts the connection with a RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Closes the connection as a process that ends does. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Waits until `parse` finds something in the received bytes, and takes it. */
  private take<T>(what: string, parse: (bytes: Buffer) => readonly [T, number] | undefined): Promise<T> {
    const taken = new Promise<T>((resolve, reject) => {
      const settle = (then: () => void) => {
        for (const event of EVENTS) this.socket.off(event, attempt);
        then();
      };
      const attempt = () => {
        try {
          const found = parse(this.unread);
          if (found) this.unread = this.unread.subarray(found[1]);
          if (found) settle(() => resolve(found[0]));
          else if (this.hasEnded) settle(() => reject(this.over(what)));
        } catch (error) {
          settle(() => reject(error as Error));
        }
      };
      for (const event of EVENTS) this.socket.on(event, attempt);
      attempt();
    });
    return within(this.timeoutMs, what, taken);
  }

  private over(what: string): Error {
    return new Error(
      `The connection ended before ${what}; left over: ${JSON.stringify(this.unread.toString('latin1'))}`,
    );
  }
}

const EVENTS = ['data', 'end', 'close'] as const;
