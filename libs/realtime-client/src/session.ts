/**
 * What a client and its server know of each other across wires: both count what they receive, keep what the other has
 * not acknowledged, and send it again on the next wire. While there is no wire, messages wait in a bounded queue.
 */

/** A message to the server. */
export interface Outgoing {
  readonly data: string | Uint8Array;
  readonly bytes: number;
  /** It may be sent again on a new connection, though the server may have handled it. */
  readonly again: boolean;
  /** It has left. */
  isSent?: boolean;
  /** It will never be answered. */
  failed?(code: 'unknown' | 'queue_full' | 'closed'): void;
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

type Send = (data: string | Uint8Array, n?: number) => void;

export class Session {
  /** The secret with which it is resumed; undefined when there is none. */
  token: string | undefined;
  /** The connection's id. */
  id: string | undefined;
  /** How many counted messages have been received. */
  seen = 0;
  /** How many messages the queue has dropped. */
  dropped = 0;
  #sent = 0;
  #underWay: Outgoing[] = [];
  #queue: Outgoing[] = [];
  #queued = 0;
  #earlier: string[] = [];

  constructor(private readonly options: QueueOptions) {}

  /** Fields of the hello. */
  hello(): { session?: string; seen?: number; was?: string[] } {
    return this.token ? { session: this.token, seen: this.seen, was: this.#earlier } : { was: this.#earlier };
  }

  /** Adds a message to the queue. @returns false when there is no room */
  add(message: Outgoing): boolean {
    const { messages = 64, bytes = 65_536, overflow } = this.options;
    const isFull = () => this.#queue.length >= messages || this.#queued + message.bytes > bytes;
    if (overflow === 'drop-oldest' && message.bytes <= bytes && messages > 0) {
      for (; isFull(); this.dropped++) this.#take()!.failed?.('queue_full');
    }
    if (isFull()) return false;
    this.#queue.push(message);
    this.#queued += message.bytes;
    return true;
  }

  /** Takes back a message that waits. */
  remove(message: Outgoing): void {
    const at = this.#queue.indexOf(message);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#queued -= message.bytes;
  }

  /** Sends what waits. */
  flush(send: Send): void {
    while (this.#queue.length > 0 && this.#underWay.length < MAX_UNDER_WAY) {
      const message = this.#take()!;
      this.#sent++;
      message.isSent = true;
      if (this.token) this.#underWay.push(message);
      send(message.data, this.#sent);
    }
  }

  /** The server has everything up to this number. */
  acknowledged(n: number): void {
    this.#underWay.splice(0, Math.max(0, n - this.#sent + this.#underWay.length));
  }

  /**
   * A wire is open.
   *
   * @param open the server's `rt:open`; undefined on the old wire
   * @returns true when this is the connection from before; false: what was under way and may not be repeated has failed
   */
  opened(open: { id: string; session: string; resumed: boolean; seen: number } | undefined, send: Send): boolean {
    const isResumed = open?.resumed ?? false;
    if (isResumed) {
      this.acknowledged(open!.seen);
      let n = this.#sent - this.#underWay.length;
      for (const { data } of this.#underWay) send(data, ++n);
    } else this.#begin(open);
    return isResumed;
  }

  /** The connection has ended on the server: the next one is a new one. */
  forget(): void {
    this.token = undefined;
  }

  /** Nothing will be sent any more. */
  fail(): void {
    for (const message of [...this.#underWay.splice(0), ...this.#queue.splice(0)]) message.failed?.('closed');
    this.#queued = 0;
  }

  #begin(open: { id: string; session: string } | undefined): void {
    this.seen = this.#sent = 0;
    this.token = open?.session;
    if (open) this.#earlier = [open.id, ...this.#earlier.filter((id) => id !== open.id)].slice(0, MAX_EARLIER);
    this.id = open?.id;
    const lost = this.#underWay.splice(0);
    const again = lost.filter((message) => message.again);
    this.#queue.unshift(...again);
    for (const { bytes } of again) this.#queued += bytes;
    for (const message of lost) if (!message.again) message.failed?.('unknown');
  }

  #take(): Outgoing | undefined {
    const message = this.#queue.shift();
    if (message) this.#queued -= message.bytes;
    return message;
  }
}
