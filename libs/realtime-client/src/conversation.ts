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
import { base64url, type OpenTransport, parsed } from './wire.js';

/**
 * How many characters of a hello are for its rooms. The server and proxies refuse lines above 6,144 characters, of which
 * base64 makes 4,600, and the rest of a hello needs up to 500.
 */
const MAX_ROOMS = 4000;
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

export class Conversation extends Connector {
  readonly allRooms = new Rooms();
  readonly replies = new Replies();
  readonly ledger: Session;
  /** Most bytes of a message that the server takes. */
  limit = Infinity;
  #acknowledged = 0;
  #bytes = 0;
  #cancelAck: (() => void) | undefined;

  constructor(
    url: string | URL,
    readonly settings: ConnectOptions,
    dial: OpenTransport,
    environment: Environment,
    private readonly listeners: Listeners,
  ) {
    const { protocols = [], transports, queue = {}, token } = settings;
    const address = httpUrl(url, environment);
    super(checkedTransports(transports), { address, protocols, dial, credential: new Token(token), environment });
    this.ledger = new Session(queue, (data, n) => this.write(data, n));
  }

  /** Sends a message, or lets it wait. @returns false when it may not wait */
  say(message: Outgoing): boolean {
    const isClosed = this.state.status === 'closed';
    const isTaken = !isClosed && this.ledger.add(message, this.isWritable);
    // The promise or the reader of a request must exist before it fails
    if (!isTaken) queueMicrotask(() => message.fail?.(isClosed ? 'closed' : 'queue_full'));
    this.writable();
    return isTaken;
  }
  /** Ends a request here, and on the server where it has left. */
  cancel(id: string, error?: Error): void {
    const message = this.replies.finish(id, error);
    if (message?.isSent) this.say({ payload: `{"event":"rt:cancel","id":"${id}"}`, size: 40 });
    else if (message) this.ledger.remove(message);
  }

  writable(): void {
    if (this.isWritable) this.ledger.flush();
  }

  acknowledged(n: number): void {
    this.ledger.acknowledged(n);
    this.writable();
  }

  hello(bearer = ''): string {
    const others = [this.settings.protocols, bearer].join().length;
    const said = { v: 1, ...this.ledger.hello(), ...this.allRooms.hello(MAX_ROOMS - others) };
    return base64url(JSON.stringify(said));
  }

  async firstMessage(): Promise<string | undefined> {
    const first = await this.settings.authenticate?.();
    return typeof first === 'string' ? first : JSON.stringify(first);
  }

  received(data: string | ArrayBuffer): void {
    const message = envelope(data);
    const { event } = message;
    if (event === 'rt:open') return this.#opened(message.data as Open);
    if (event === 'rt:ack') return this.acknowledged((message.data as { n: number }).n);
    if (event === 'rt:pong') return;
    if (event === 'rt:expires') this.expires();
    this.#count(data);
    if (this.replies.received(message) || !this.allRooms.received(message)) return;
    const { room, position } = message;
    this.listeners.tell(event, message.data, { event, room, position });
  }

  changed(state: State): void {
    if (state.status === 'closed') {
      // There is no wire any more: this stops its timer
      this.#acknowledge();
      this.ledger.clear();
      this.replies.fail('closed', true);
    }
    this.listeners.tell('rt:state', state);
  }

  #opened(open: Open): void {
    this.ledger.opened(open);
    if (!open.resumed) {
      this.#acknowledged = 0;
      this.replies.fail('unknown', false);
    }
    this.limit = open.maxBytes;
    this.ledger.flush();
    this.ready(open.id, open.resumed, open.ping);
  }

  #count(data: string | ArrayBuffer): void {
    this.#bytes += typeof data === 'string' ? data.length : data.byteLength;
    const isMuch = ++this.ledger.counted - this.#acknowledged >= ACK_MESSAGES || this.#bytes >= ACK_BYTES;
    if (isMuch) this.#acknowledge();
    else this.#cancelAck ??= this.environment.after(ACK_MS, () => this.#acknowledge());
  }

  #acknowledge(): void {
    this.#cancelAck?.();
    this.#cancelAck = undefined;
    if (!this.isWritable) return;
    this.#bytes = 0;
    this.#acknowledged = this.ledger.counted;
    this.write(`{"event":"rt:ack","data":{"n":${this.ledger.counted}}}`);
  }
}

/** @returns what is not an envelope, bytes among it, as an `rt:raw` */
function envelope(data: string | ArrayBuffer): Incoming {
  const message = parsed(data as string) as Incoming | null | undefined;
  return typeof message?.event === 'string' ? message : { event: 'rt:raw', data };
}
