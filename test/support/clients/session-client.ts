/**
 * A reference client, written from docs/recovery.md alone: it keeps a session over wires that come and go, and the
 * positions of its rooms. It knows no timers and no network; session-wires.ts has the wires.
 */

/** What a wire reports. A wire that was replaced is not heard any more. */
export interface WireEvents {
  /** A text message, as a WebSocket would carry it. */
  message(text: string): void;
  /** The wire is gone; 1006 without a close frame. */
  closed(code: number, reason: string): void;
}

/** One wire. */
export interface ClientWire {
  /** Sends messages. @param first the number of the first one that is counted, or would be */
  send(texts: readonly string[], first: number): void;
  close(code: number): void;
  /** Gives it up without a close frame. */
  cut(): void;
}

/** Opens a wire. @param hello returns the base64url text of a hello, as it is now */
export type OpenWire = (hello: () => string, events: WireEvents) => ClientWire;

interface RoomMark {
  readonly room?: string;
  readonly user?: boolean;
  readonly key?: string;
  readonly position?: string;
}

interface Envelope {
  readonly event?: string;
  readonly data?: unknown;
  readonly room?: string;
  readonly user?: boolean;
  readonly position?: string;
}

/** How `rt:open` begins. */
interface OpenData {
  readonly id: string;
  readonly session: string;
  readonly resumed: boolean;
  readonly seen: number;
}

/** Acknowledges after so many messages; the owner calls `acknowledge()` once a second besides. */
const ACK_EVERY = 32;

export class SessionClient {
  /** The connection's id; undefined before the first `rt:open`. */
  id?: string;
  session?: string;
  isOpen = false;
  /** How many counted messages have arrived. */
  seen = 0;
  /** How often the session went on, and how often a new one began. */
  resumed = 0;
  begun = 0;
  /** Messages of which nobody knows whether they arrived: their session is gone. */
  readonly unknown: string[] = [];
  /** Where it stands in the history of its rooms, by their keys. */
  readonly positions = new Map<string, string>();
  private readonly keys = new Map<string, string>();
  private readonly was: string[] = [];
  private userPosition?: string;
  private wire?: ClientWire;
  private acknowledged = 0;
  /** The number of the last counted message that was sent in this session. */
  private last = 0;
  private unacknowledged: { readonly n: number; readonly text: string }[] = [];
  private readonly waiting: string[] = [];

  constructor(
    /** Called for every message of the application, and for `rt:` events that are not about the session. */
    private readonly received: (text: string) => void,
    /** The wire is lost; without a code it may be opened again. */
    private readonly lost: (code: number, reason: string) => void = () => {},
    /** Called with every `rt:open`. */
    private readonly opened: (resumed: boolean) => void = () => {},
  ) {}

  /** What it has sent, and nobody has acknowledged. */
  get pending(): number {
    return this.unacknowledged.length + this.waiting.length;
  }

  /** Opens a wire, in place of the one that it has. */
  connect(open: OpenWire): void {
    this.wire?.cut();
    this.isOpen = false;
    const events: WireEvents = {
      message: (text) => this.wire === wire && this.take(text),
      closed: (code, reason) => this.wire === wire && this.closed(code, reason),
    };
    const wire: ClientWire = (this.wire = open(() => this.hello(), events));
  }

  send(text: string): void {
    if (this.isOpen) this.number(text);
    else this.waiting.push(text);
  }

  /** Says how much has arrived, if that has changed. */
  acknowledge(): void {
    if (!this.isOpen || this.seen === this.acknowledged) return;
    this.acknowledged = this.seen;
    this.wire!.send([JSON.stringify({ event: 'rt:ack', data: { n: this.seen } })], this.last + 1);
  }

  ping(): void {
    if (this.isOpen) this.wire!.send(['{"event":"rt:ping"}'], this.last + 1);
  }

  /** Leaves the wire for a while, as a page does that goes into the browser's cache. */
  leave(): void {
    this.wire?.close(3100);
  }

  close(): void {
    this.wire?.close(1000);
  }

  /** Loses the wire without a word. */
  cut(): void {
    const { wire } = this;
    this.wire = undefined;
    this.isOpen = false;
    wire?.cut();
  }

  private hello(): string {
    const { session, seen, was, userPosition: user } = this;
    const rooms = Object.fromEntries(this.positions);
    return Buffer.from(JSON.stringify({ v: 1, session, seen, was, rooms, user })).toString('base64url');
  }

  private number(text: string): void {
    const message = { n: ++this.last, text };
    this.unacknowledged.push(message);
    this.wire!.send([text], message.n);
  }

  private take(text: string): void {
    const { event, data, ...mark } = envelopeOf(text);
    if (event === 'rt:open') return this.open(data as OpenData);
    if (event === 'rt:ack') return this.forget((data as { n: number }).n);
    if (event === 'rt:pong') return;
    this.seen++;
    this.note(event, data as RoomMark, mark);
    this.received(text);
    if (this.seen - this.acknowledged >= ACK_EVERY) this.acknowledge();
  }

  private open({ id, session, resumed, seen }: OpenData): void {
    if (resumed) this.forget(seen);
    else this.begin();
    if (this.id !== undefined && this.id !== id) this.was.unshift(this.id);
    this.was.length = Math.min(this.was.length, 8);
    this.id = id;
    this.session = session;
    this.acknowledged = this.seen;
    this.isOpen = true;
    if (resumed) this.resumed++;
    else this.begun++;
    const again = this.unacknowledged.map(({ text }) => text);
    if (again.length > 0) this.wire!.send(again, this.unacknowledged[0]!.n);
    for (const text of this.waiting.splice(0)) this.number(text);
    this.opened(resumed);
  }

  private begin(): void {
    this.unknown.push(...this.unacknowledged.splice(0).map(({ text }) => text));
    this.seen = this.last = 0;
  }

  private forget(n: number): void {
    while (this.unacknowledged.length > 0 && this.unacknowledged[0]!.n <= n) this.unacknowledged.shift();
  }

  /** The position advances before the application sees the message. */
  private note(event: string | undefined, data: RoomMark | undefined, mark: Envelope): void {
    const about = event === 'rt:joined' || event === 'rt:gap' || event === 'rt:at' ? (data ?? {}) : mark;
    const { position } = about;
    if (event === 'rt:joined' && data?.key && data.room !== undefined) this.keys.set(data.room, data.key);
    if (position === undefined) return;
    if (about.user) this.userPosition = position;
    const key = about.room === undefined ? undefined : this.keys.get(about.room);
    if (key !== undefined) this.positions.set(key, position);
  }

  private closed(code: number, reason: string): void {
    this.wire = undefined;
    this.isOpen = false;
    // After any other close frame the session is over
    if (code !== 1006 && code !== 3100) this.session = undefined;
    this.lost(code, reason);
  }
}

function envelopeOf(text: string): Envelope {
  try {
    return Object(JSON.parse(text)) as Envelope;
  } catch {
    return {};
  }
}
