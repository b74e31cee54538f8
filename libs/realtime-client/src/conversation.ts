/** What client and server say to each other on whatever wire there is: counted, acknowledged, and handed on. */
import { Connector } from './connector.js';
import type { Environment } from './environment.js';
import type { Listeners } from './listeners.js';
import { checkedTransports, type ConnectOptions, httpUrl } from './options.js';
import { Replies } from './replies.js';
import { type Incoming, Rooms } from './rooms.js';
import { type Outgoing, Session } from './session.js';
import type { State } from './state.js';
import { Token } from './token.js';
import type { Upper } from './upper.js';
import { base64url, type OpenWire, type Transport } from './wire.js';

/** Longest hello, in characters: the server and proxies refuse longer lines. */
const MAX_LINE = 6144;
/** Received messages are acknowledged after so many, so many bytes, or so many milliseconds. */
const ACK_MESSAGES = 32;
const ACK_BYTES = 65_536;
const ACK_MS = 1000;

/** The server's `rt:open`. */
interface Open {
  readonly id: string;
  readonly session: string;
  readonly resumed: boolean;
  readonly seen: number;
  readonly ping: number;
  readonly maxBytes: number;
}

export class Conversation implements Upper {
  readonly rooms = new Rooms();
  readonly replies = new Replies();
  readonly connector: Connector;
  readonly queue: Session;
  /** Most bytes of a message that the server takes. */
  maxBytes = Infinity;
  #acknowledged = 0;
  #bytes = 0;
  #cancelAck: (() => void) | undefined;

  constructor(
    url: string | URL,
    private readonly options: ConnectOptions,
    open: Readonly<Record<Transport, OpenWire>>,
    private readonly environment: Environment,
    private readonly listeners: Listeners,
  ) {
    const { protocols = [], transports, queue = {}, token } = options;
    this.queue = new Session(queue);
    const attempts = { url: httpUrl(url, environment), protocols, open, token: new Token(token), environment };
    this.connector = new Connector(checkedTransports(transports), attempts, this);
  }

  /** Sends a message, or lets it wait. @returns false when it may not wait */
  send(message: Outgoing): boolean {
    if (this.connector.state.status === 'closed') return false;
    const isTaken = this.queue.add(message);
    this.writable();
    return isTaken;
  }

  /** Ends a request here, and on the server where it has left. */
  cancel(id: string, error?: Error): void {
    const message = this.replies.end(id, error);
    if (message?.isSent) this.send({ data: `{"event":"rt:cancel","id":"${id}"}`, bytes: 40, again: false });
    else if (message) this.queue.remove(message);
  }

  writable(): void {
    if (this.connector.isWritable) this.queue.flush((data, n) => this.connector.send(data, n));
  }

  acknowledged(n: number): void {
    this.queue.acknowledged(n);
    this.writable();
  }

  hello(): string {
    const { rooms, user } = this.rooms.positions();
    const { protocols = [] } = this.options;
    const max = MAX_LINE - 2 * protocols.join().length;
    for (;;) {
      const said = { v: 1, ...this.queue.hello(), rooms: Object.fromEntries(rooms), user };
      const line = base64url(JSON.stringify(said));
      if (line.length <= max || rooms.length === 0) return line;
      rooms.length -= Math.ceil(rooms.length / 10);
    }
  }

  session(): string | undefined {
    return this.queue.token;
  }

  async authenticate(): Promise<string | undefined> {
    const first = await this.options.authenticate?.();
    return first === undefined || typeof first === 'string' ? first : JSON.stringify(first);
  }

  openedPlain(): void {
    this.#opened(undefined);
  }

  received(data: string | ArrayBuffer): void {
    const message = typeof data === 'string' ? parsed(data) : undefined;
    if (message?.event === 'rt:open') return this.#opened(message.data as Open);
    if (message?.event === 'rt:ack') return this.acknowledged((message.data as { n: number }).n);
    if (message?.event === 'rt:pong') return;
    this.#count(typeof data === 'string' ? data.length : data.byteLength);
    if (!message) this.listeners.tell('raw', data, {});
    else if (this.rooms.received(message) && !this.replies.received(message)) this.#handle(message);
  }

  forget(): void {
    this.queue.forget();
  }

  changed(state: State): void {
    if (state.status === 'closed') {
      this.#cancelAck?.();
      this.queue.fail();
      this.replies.fail('closed', true);
    }
    this.listeners.tell('state', state);
  }

  #opened(open: Open | undefined): void {
    const { connector, queue } = this;
    const isResumed = queue.opened(open, (data, n) => connector.send(data, n));
    if (!isResumed) {
      this.#acknowledged = 0;
      this.replies.fail('unknown', false);
    }
    this.maxBytes = open?.maxBytes ?? Infinity;
    queue.flush((data, n) => connector.send(data, n));
    connector.ready(open?.id, isResumed, open?.ping ?? 0);
  }

  #handle({ event, data, room, position }: Incoming): void {
    const meta = { event, room, position };
    if (event === 'rt:expires') this.connector.expires();
    else if (event === 'rt:raw') this.listeners.tell('raw', data, meta);
    else if (!event.startsWith('rt:')) this.listeners.tell(`on ${event}`, data, meta);
  }

  #count(bytes: number): void {
    if (!this.queue.token) return;
    this.#bytes += bytes;
    const isMuch = ++this.queue.seen - this.#acknowledged >= ACK_MESSAGES || this.#bytes >= ACK_BYTES;
    if (isMuch) this.#acknowledge();
    else this.#cancelAck ??= this.environment.after(ACK_MS, () => this.#acknowledge());
  }

  #acknowledge(): void {
    this.#cancelAck?.();
    this.#cancelAck = undefined;
    if (!this.connector.isWritable) return;
    this.#bytes = 0;
    this.#acknowledged = this.queue.seen;
    this.connector.send(`{"event":"rt:ack","data":{"n":${this.queue.seen}}}`);
  }
}

/** @returns undefined for a text that is not an envelope */
function parsed(text: string): Incoming | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const message = JSON.parse(text) as Incoming;
    return typeof message.event === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}
