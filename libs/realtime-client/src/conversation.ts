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
import { base64url, type OpenTransport, parsed } from './wire.js';

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
  readonly session: Session;
  /** Most bytes of a message that the server takes. */
  maxBytes = Infinity;
  #acknowledged = 0;
  #bytes = 0;
  #cancelAck: (() => void) | undefined;

  constructor(
    url: string | URL,
    private readonly options: ConnectOptions,
    open: OpenTransport,
    private readonly environment: Environment,
    private readonly listeners: Listeners,
  ) {
    const { protocols = [], transports, queue = {}, token } = options;
    this.session = new Session(queue, (data, n) => this.connector.send(data, n));
    const attempts = { url: httpUrl(url, environment), protocols, open, token: new Token(token), environment };
    this.connector = new Connector(checkedTransports(transports), attempts, this);
  }

  /** Sends a message, or lets it wait. @returns false when it may not wait */
  send(message: Outgoing): boolean {
    if (this.connector.state.status === 'closed') return false;
    const isTaken = this.session.add(message);
    this.writable();
    return isTaken;
  }

  /** Ends a request here, and on the server where it has left. */
  cancel(id: string, error?: Error): void {
    const message = this.replies.end(id, error);
    if (message?.isSent) this.send({ data: `{"event":"rt:cancel","id":"${id}"}`, bytes: 40, again: false });
    else if (message) this.session.remove(message);
  }

  writable(): void {
    if (this.connector.isWritable) this.session.flush();
  }

  acknowledged(n: number): void {
    this.session.acknowledged(n);
    this.writable();
  }

  hello(): string {
    const { rooms, user } = this.rooms.positions();
    const { protocols = [] } = this.options;
    const max = MAX_LINE - 2 * protocols.join().length;
    for (;;) {
      const said = { v: 1, ...this.session.hello(), rooms: Object.fromEntries(rooms), user };
      const line = base64url(JSON.stringify(said));
      if (line.length <= max || rooms.length === 0) return line;
      rooms.length -= Math.ceil(rooms.length / 10);
    }
  }

  secret(): string | undefined {
    return this.session.token;
  }

  async authenticate(): Promise<string | undefined> {
    const first = await this.options.authenticate?.();
    return typeof first === 'string' ? first : JSON.stringify(first);
  }

  received(data: string | ArrayBuffer): void {
    const message = typeof data === 'string' ? envelope(data) : undefined;
    if (message?.event === 'rt:open') return this.#opened(message.data as Open);
    if (message?.event === 'rt:ack') return this.acknowledged((message.data as { n: number }).n);
    if (message?.event === 'rt:pong') return;
    if (message?.event === 'rt:expires') this.connector.expires();
    this.#count(typeof data === 'string' ? data.length : data.byteLength);
    if (!message) this.listeners.tell('raw', data, {});
    else if (!this.replies.received(message) && this.rooms.received(message)) this.#handle(message);
  }

  forget(): void {
    this.session.forget();
  }

  changed(state: State): void {
    if (state.status === 'closed') {
      this.#cancelAck?.();
      this.session.clear();
      this.replies.fail('closed', true);
    }
    this.listeners.tell('state', state);
  }

  #opened(open: Open): void {
    const { connector, session } = this;
    session.opened(open);
    if (!open.resumed) {
      this.#acknowledged = 0;
      this.replies.fail('unknown', false);
    }
    this.maxBytes = open.maxBytes;
    session.flush();
    connector.ready(open.id, open.resumed, open.ping);
  }

  #handle({ event, data, room, position }: Incoming): void {
    const meta = { event, room, position };
    if (event === 'rt:raw') this.listeners.tell('raw', data, meta);
    else this.listeners.tell(`on ${event}`, data, meta);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    const isMuch = ++this.session.seen - this.#acknowledged >= ACK_MESSAGES || this.#bytes >= ACK_BYTES;
    if (isMuch) this.#acknowledge();
    else this.#cancelAck ??= this.environment.after(ACK_MS, () => this.#acknowledge());
  }

  #acknowledge(): void {
    this.#cancelAck?.();
    this.#cancelAck = undefined;
    if (!this.connector.isWritable) return;
    this.#bytes = 0;
    this.#acknowledged = this.session.seen;
    this.connector.send(`{"event":"rt:ack","data":{"n":${this.session.seen}}}`);
  }
}

/** @returns undefined for a text that is not an envelope */
function envelope(text: string): Incoming | undefined {
  const message = parsed(text) as Incoming | null | undefined;
  return typeof message?.event === 'string' ? message : undefined;
}
