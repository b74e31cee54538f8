import type { EventEmitter } from 'node:events';
import { anyMessage, envelopeOf, Mailbox, replyTo } from './mailbox.js';
import { DEFAULT_TIMEOUT_MS, until, withTimeout } from './waiting.js';
import { PollingWire } from './wires/polling.js';
import { SseWire } from './wires/sse.js';
import { WebSocketWire } from './wires/websocket.js';
import type { ClientEnd, Received, Wire, WireOptions, WireOwner } from './wires/wire.js';

/** The options of `connect`. */
export interface ConnectOptions {
  /** How the client connects; default `websocket`. */
  readonly transport?: 'websocket' | 'sse' | 'polling';
  /** Request headers, for example `cookie` or `origin`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Subprotocols to offer; only a WebSocket has them. */
  readonly protocols?: readonly string[];
  /** The longest that any call of the client waits, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
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

/** What the application under test knows of one of its clients. */
export interface ServerSide {
  /** The connection's id. */
  readonly id: string;
  /** Returns whether `onClose` has settled, and nothing of the connection is left. */
  isForgotten(): boolean;
}

/** A client whose messages are awaited, for tests. It has the same methods on every transport. */
export class TestClient {
  private readonly mailbox: Mailbox;
  private readonly whenEnded: Promise<ClientEnd>;
  private wire!: Wire;
  private serverSide?: ServerSide;
  private requests = 0;

  private constructor(
    private readonly timeoutMs: number,
    connect: (owner: WireOwner) => void,
  ) {
    const mailbox = (this.mailbox = new Mailbox(timeoutMs));
    this.whenEnded = new Promise((resolve) => {
      const ended = (end: ClientEnd) => {
        mailbox.finish(end);
        resolve(end);
      };
      connect({ received: (data) => mailbox.received(data), ended, failed: (error) => mailbox.fail(error) });
    });
  }

  /**
   * Connects to any server, and waits until the server has let the client in.
   *
   * @param url a `ws:` or `http:` URL, or its variant with TLS
   * @returns a client that knows only its own side: its `closed()` does not wait for the server. `TestApp.connect`
   *   returns one that does
   * @throws Refusal with `status`, `headers` and `body` when the server refuses
   */
  static async connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
    const { transport = 'websocket', headers = {}, protocols = [], timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    let owner!: WireOwner;
    const client = new TestClient(timeoutMs, (made) => (owner = made));
    const late = () => new Error(`Waited ${timeoutMs} ms for the answer to the handshake of ${transport}`);
    const connecting = connectWire(transport, url, { headers, protocols, timeoutMs }, owner);
    client.wire = await withTimeout(connecting, timeoutMs, late);
    return client;
  }

  /** @internal Ties the client to the connection that the application under test has for it. */
  know(find: (port: number | undefined) => ServerSide | undefined): void {
    this.serverSide = find(this.wire.port);
  }

  /** The transport: `websocket`, `sse` or `polling`. */
  get transport(): string {
    return this.wire.transport;
  }

  /** The agreed subprotocol; empty when there is none. */
  get protocol(): string {
    return this.wire.protocol;
  }

  /**
   * The id of its connection, as in `app.server.push(client.id, 'hello')`.
   *
   * @throws Error for a WebSocket client of `TestClient.connect`: the wire does not carry it
   */
  get id(): string {
    const id = this.serverSide?.id ?? this.wire.id;
    if (id === undefined) throw new Error('A WebSocket does not carry its id: connect with app.connect() instead');
    return id;
  }

  /**
   * The `ws` client underneath, for calls that TestClient does not offer.
   *
   * @throws Error for SSE and long polling, which have none
   */
  get socket(): RawClient {
    if (this.wire instanceof WebSocketWire) return this.wire.socket;
    throw new Error(`There is no ws client underneath a client of the transport ${this.wire.transport}`);
  }

  /**
   * Sends text or bytes; an object is sent as JSON. On SSE and long polling, messages are posted one after the other; if
   * the server refuses one (413, 429, …), the next call that waits for a message rejects with the Refusal.
   */
  send(data: string | Uint8Array | object): void {
    const isRaw = typeof data === 'string' || data instanceof Uint8Array;
    this.wire.send(isRaw ? data : JSON.stringify(data));
  }

  /**
   * Sends an envelope with an id, and waits for the reply with that id.
   *
   * @param event the event of a `@SubscribeMessage()` method
   * @param data anything that JSON can hold
   * @returns the `data` of the first reply; undefined when the request ends without one
   * @throws Rejection when the reply is an `exception`; Error when the connection ends first, or none arrives in time
   * @example expect(await client.request('find', 7)).toEqual({ id: 7, total: 42 });
   */
  async request<T = unknown>(event: string, data?: unknown): Promise<T> {
    const id = ++this.requests;
    this.send({ event, data, id });
    return (await this.mailbox.next(replyTo(event, id))) as T;
  }

  /**
   * Waits for a message.
   *
   * @param event if given, waits for the next envelope of that event, and leaves other messages for later calls
   * @returns the text or the bytes; with an event, the envelope's `data`
   * @throws Error when the connection ends first, or no such message arrives in time; it says what came instead
   */
  async next(): Promise<Received>;
  async next<T = unknown>(event: string): Promise<T>;
  async next(event?: string): Promise<unknown> {
    return this.mailbox.next(event === undefined ? anyMessage : envelopeOf(event));
  }

  /**
   * Waits until the connection has ended and, for a client of `TestApp.connect`, the server has forgotten it: `onClose`
   * has settled, and the connection is in no room.
   *
   * @returns code and reason as this client saw them
   * @throws Error when one of the two does not happen in time
   */
  async closed(): Promise<ClientEnd> {
    const { timeoutMs, serverSide } = this;
    const deadline = performance.now() + timeoutMs;
    const late = () => new Error(`Waited ${timeoutMs} ms for the connection to end. ${this.mailbox.unreadInWords()}`);
    const end = await withTimeout(this.whenEnded, timeoutMs, late);
    if (!serverSide) return end;
    const isForgotten = () => serverSide.isForgotten();
    await until(isForgotten, true, { timeoutMs: Math.max(1, deadline - performance.now()) }).catch(() => {
      throw new Error(this.stillKnown(end));
    });
    return end;
  }

  /**
   * Closes the connection, and waits until the server has forgotten it, as `closed()` does.
   *
   * @param code 1000 (default) or another code that a client may send; a client of SSE or polling can only send 1000
   * @param reason at most 123 bytes of UTF-8; default: an empty string
   */
  close(code = 1000, reason = ''): Promise<ClientEnd> {
    this.wire.close(code, reason);
    return this.closed();
  }

  /** Disconnects without a word, as a phone in a tunnel does. */
  vanish(): void {
    this.wire.vanish();
  }

  private stillKnown({ code }: ClientEnd): string {
    const { transport } = this.wire;
    const grace = transport === 'websocket' ? '' : ', or the server still waits REALTIME_GRACE_TIME for the client';
    return (
      `Waited ${this.timeoutMs} ms for the server to forget the connection ${this.serverSide!.id} (${transport}). ` +
      `The client saw its end with ${code}, but a hook has not settled${grace}`
    );
  }
}

async function connectWire(
  transport: 'websocket' | 'sse' | 'polling',
  url: string,
  options: WireOptions,
  owner: WireOwner,
): Promise<Wire> {
  if (transport === 'sse') return new SseWire(url, options, owner).connect();
  if (transport === 'polling') return new PollingWire(url, options, owner).connect();
  return WebSocketWire.connect(url, options, owner);
}
