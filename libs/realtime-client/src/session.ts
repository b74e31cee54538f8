/**
 * What a client and its server know of each other across wires: both count what they receive, keep what the other has
 * not acknowledged, and send it again on the next wire. While there is no wire, messages wait in a bounded queue.
 */

/** Why a message is not answered. */
export type LostCode = 'unknown' | 'closed' | 'queue_full';

/** A message to the server. */
export interface Outgoing {
  readonly payload: string | Uint8Array;
  readonly size: number;
  /** It may be sent again on a new connection, though the server may have handled it. */
  readonly again?: boolean;
  /** It has left. */
  isSent?: boolean;
  /** It will not be answered. */
  fail?(why: LostCode): void;
}

/** The bound of the queue. */
export interface QueueOptions {
  /** Most messages that wait; default 64. */
  readonly messages?: number;
  /** Most bytes that wait; default 65,536. */
  readonly bytes?: number;
  /**
   * What happens to one more: `reject` (default) refuses it, `drop-oldest` makes room. A dropped request rejects with
   * `queue_full`.
   */
  readonly overflow?: 'reject' | 'drop-oldest';
}

/** What may be under way without an acknowledgment; the server acknowledges each 32 messages. */
const MAX_UNDER_WAY = 256;
const MAX_EARLIER = 8;

export class Session {
  /** The secret with which it is resumed; undefined when it has ended on the server: the next one is a new one. */
  secret: string | undefined;
  /** How many counted messages have been received. */
  counted = 0;
  #sent = 0;
  #underWay: Outgoing[] = [];
  #queue: Outgoing[] = [];
  #queued = 0;
  #earlier: string[] = [];

  /** @param write sends a message over the present wire */
  constructor(
    private readonly settings: QueueOptions,
    private readonly write: (data: string | Uint8Array, n: number) => void,
  ) {}

  /** Fields of the hello. */
  hello(): { session: string | undefined; seen: number; was: string[] } {
    return { session: this.secret, seen: this.counted, was: this.#earlier };
  }

  /**
   * Adds a message to the queue. One that is sent at once needs no room there.
   *
   * @param isWritable messages may be sent
   * @returns false when there is no room
   */
  add(message: Outgoing, isWritable: boolean): boolean {
    const { messages = 64, bytes = 65_536, overflow } = this.settings;
    const mustWait = !isWritable || this.#underWay.length >= MAX_UNDER_WAY;
    const isFull = () => mustWait && (this.#queue.length >= messages || this.#queued + message.size > bytes);
    if (overflow === 'drop-oldest' && message.size <= bytes && messages > 0) {
      while (isFull()) this.#take().fail?.('queue_full');
    }
    if (isFull()) return false;
    this.#queue.push(message);
    this.#queued += message.size;
    return true;
  }

  /** Takes back a message that waits. */
  remove(message: Outgoing): void {
    const at = this.#queue.indexOf(message);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#queued -= message.size;
  }

  /** Sends what waits. */
  flush(): void {
    while (this.#queue.length > 0 && this.#underWay.length < MAX_UNDER_WAY) {
      const message = this.#take();
      message.isSent = true;
      this.#underWay.push(message);
      this.write(message.payload, ++this.#sent);
    }
  }

  /** The server has everything up to this number. */
  acknowledged(n: number): void {
    this.#underWay.splice(0, Math.max(0, n - this.#sent + this.#underWay.length));
  }

  /**
   * A wire is open.
   *
   * @param open the server's `rt:open`
   * What was under way is sent again where this is the connection from before; else what may not be repeated is lost.
   */
  opened(open: { id: string; session: string; resumed: boolean; seen: number }): void {
    if (open.resumed) {
      this.acknowledged(open.seen);
      let n = this.#sent - this.#underWay.length;
      for (const { payload } of this.#underWay) this.write(payload, ++n);
    } else this.#begin(open);
  }

  /** Nothing will be sent any more. */
  clear(): void {
    this.#underWay = [];
    this.#queue = [];
    this.#queued = 0;
  }

  #begin({ id, session }: { id: string; session: string }): void {
    this.counted = this.#sent = 0;
    this.secret = session;
    this.#earlier = [id, ...this.#earlier].slice(0, MAX_EARLIER);
    const again = this.#underWay.filter((message) => message.again);
    this.#underWay = [];
    this.#queue.unshift(...again);
    for (const { size } of again) this.#queued += size;
  }

  #take(): Outgoing {
    const message = this.#queue.shift()!;
    this.#queued -= message.size;
    return message;
  }
}
