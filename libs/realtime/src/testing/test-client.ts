import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { asEnvelope } from 'nestjs-realtime-protocol';
import { WebSocket } from 'ws';

/** The options of `connect`. */
export interface ConnectOptions {
  /** Request headers, for example `cookie` or `origin`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols to offer. */
  readonly protocols?: readonly string[];
  /** The longest that any call of the client waits, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
}

/** The error that a refused `connect` rejects with. */
export interface Refusal extends Error {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The `ws` client underneath a TestClient, with the members that tests need; its events are those of `ws`. */
export interface RawClient extends EventEmitter {
  readonly readyState: number;
  readonly extensions: string;
  readonly protocol: string;
  send(data: string | Uint8Array): void;
  ping(data?: string | Uint8Array): void;
  pong(data?: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  /** Stops reading, as a slow client does. */
  pause(): void;
  resume(): void;
}

/** A received message: text as a string, binary as bytes. */
type Received = string | Buffer;

interface Waiter {
  readonly event?: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A client whose messages are awaited, for tests. */
export class TestClient {
  private readonly unread: Received[] = [];
  private readonly waiters: Waiter[] = [];
  private end?: { code: number; reason: string };
  private readonly whenClosed: Promise<{ code: number; reason: string }>;

  /** The `ws` client underneath, for calls that TestClient does not offer. */
  readonly socket: RawClient;

  private constructor(
    socket: WebSocket,
    private readonly timeoutMs: number,
  ) {
    this.socket = socket;
    socket.on('message', (data, isBinary) => this.received(isBinary ? (data as Buffer) : (data as Buffer).toString()));
    this.whenClosed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.end = { code, reason: reason.toString() };
        for (const { reject } of this.waiters.splice(0)) reject(this.ended());
        resolve(this.end);
      });
    });
  }

  /**
   * Connects and waits for the 101.
   *
   * @param url a `ws:` URL
   * @throws Refusal with `status`, `headers` and `body` when the server refuses
   */
  static async connect(
    url: string,
    { headers, protocols = [], timeoutMs = 5000 }: ConnectOptions = {},
  ): Promise<TestClient> {
    const socket = new WebSocket(url, [...protocols], { headers, handshakeTimeout: timeoutMs });
    const client = new TestClient(socket, timeoutMs);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        readRefusal(response).then(reject, reject);
        socket.once('error', () => {});
      });
    });
    socket.on('error', () => {});
    return client;
  }

  /** The agreed subprotocol; empty when there is none. */
  get protocol(): string {
    return this.socket.protocol;
  }

  /** Sends text or bytes; an object is sent as JSON. */
  send(data: string | Uint8Array | object): void {
    const isRaw = typeof data === 'string' || data instanceof Uint8Array;
    this.socket.send(isRaw ? data : JSON.stringify(data));
  }

  /**
   * Waits for a message.
   *
   * @param event if given, waits for the next envelope of that event, and leaves other messages for later calls
   * @returns the text or the bytes; with an event, the envelope's `data`
   * @throws Error when the connection ends first, or no such message arrives in time
   */
  async next(): Promise<Received>;
  async next<T = unknown>(event: string): Promise<T>;
  async next(event?: string): Promise<unknown> {
    for (const [index, data] of this.unread.entries()) {
      const found = pick(data, event);
      if (!found) continue;
      this.unread.splice(index, 1);
      return found.value;
    }
    if (this.end) throw this.ended();
    return this.wait(event);
  }

  /** Waits until the connection has ended. @returns code and reason as this client saw them */
  closed(): Promise<{ code: number; reason: string }> {
    return withTimeout(this.whenClosed, this.timeoutMs, 'the connection to close');
  }

  /** Closes with the closing handshake, and waits for it. */
  close(code = 1000, reason = ''): Promise<{ code: number; reason: string }> {
    this.socket.close(code, reason);
    return this.closed();
  }

  /** Cuts the connection without a closing handshake. */
  vanish(): void {
    this.socket.terminate();
  }

  private wait(event: string | undefined): Promise<unknown> {
    let waiter: Waiter | undefined;
    const arrived = new Promise<unknown>((resolve, reject) => {
      waiter = { event, resolve, reject };
      this.waiters.push(waiter);
    });
    return withTimeout(arrived, this.timeoutMs, event === undefined ? 'a message' : `the event "${event}"`).finally(
      () => {
        const index = this.waiters.indexOf(waiter!);
        if (index >= 0) this.waiters.splice(index, 1);
      },
    );
  }

  private received(data: Received): void {
    for (const [index, waiter] of this.waiters.entries()) {
      const found = pick(data, waiter.event);
      if (!found) continue;
      this.waiters.splice(index, 1);
      waiter.resolve(found.value);
      return;
    }
    this.unread.push(data);
  }

  private ended(): Error {
    return new Error(
      `The connection has ended (code ${this.end!.code} "${this.end!.reason}") before the message arrived`,
    );
  }
}

function pick(data: Received, event: string | undefined): { value: unknown } | undefined {
  if (event === undefined) return { value: data };
  if (typeof data !== 'string') return undefined;
  try {
    const envelope = asEnvelope(JSON.parse(data));
    return envelope?.event === event ? { value: envelope.data } : undefined;
  } catch {
    return undefined;
  }
}

async function readRefusal(response: IncomingMessage): Promise<Refusal> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const { statusCode: status = 0, headers } = response;
  const body = Buffer.concat(chunks).toString();
  return Object.assign(new Error(`The handshake was refused with ${status}: ${body}`), { status, headers, body });
}

function withTimeout<T>(task: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`Waited ${timeoutMs} ms for ${what}`));
    const timer = setTimeout(late, timeoutMs);
    task.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
