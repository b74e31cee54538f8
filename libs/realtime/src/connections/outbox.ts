/**
 * Road OUT, step 9: the outgoing messages of one client, bounded. While the client reads, a frame goes straight to its
 * socket; while it does not, frames wait here, where they can still be dropped, until the socket has drained.
 */
import { CloseCode, encodeEnvelope } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import { Frame, type SlowPolicy } from '../frame.js';
import type { Node } from '../node/node.js';
import type { Socket } from '../transport.js';

/** Bookkeeping per queued message, in bytes; without it empty messages could queue without bound. */
const MESSAGE_COST = 128;

const NOTHING: Frame[] = [];

/** The event with which a client learns how many messages it lost. */
export const DROPPED_EVENT = 'dropped';

/** What the outbox needs of its connection. */
export interface OutboxOwner {
  readonly id: string;
  messagesOut: number;
  bytesOut: number;
  end(code: number, reason: string, initiator: CloseInitiator): void;
  /** Called when a client that was behind has read everything that waited for it. */
  caughtUp(): void;
}

export class Outbox {
  /** When the client fell behind, in milliseconds of `performance.now()`. */
  behindSince = 0;
  /** Most clients never have a frame that waits: they share one empty list. */
  private waiting: Frame[] = NOTHING;
  private waitingBytes = 0;
  private lost = 0;
  /** True while everything waits, because the session that `onOpen` changed is not stored yet. */
  private isHeld = false;
  /** A close that waits until the held frames are released or discarded. */
  private closing?: { readonly code: number; readonly reason: string; readonly timer: NodeJS.Timeout };

  constructor(
    private readonly owner: OutboxOwner,
    private readonly socket: Socket,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'slowConsumers' | 'counters'>,
    /** What happens at the limit; default: `REALTIME_SLOW_CONSUMER`. */
    private readonly policy: SlowPolicy = node.settings.slowConsumer,
  ) {}

  get bytes(): number {
    return this.socket.bufferedBytes + this.waitingBytes;
  }

  /** Sends a frame, or lets it wait. @returns false when it was dropped */
  send(frame: Frame): boolean {
    const isFlowing = this.waiting.length === 0 && this.lost === 0;
    if (isFlowing && !this.isHeld && !this.socket.isFull) return this.write(frame);
    return this.wait(frame);
  }

  /** Makes all frames wait, within the limits, until `release` or `discard`. */
  hold(): void {
    this.isHeld = true;
  }

  /** Sends the frames that were held. */
  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.writeWaiting();
    if (this.waiting.length > 0) this.fallBehind();
    else this.catchUp();
    this.lateClose();
  }

  /** Drops the frames that were held, as if they had not been sent. */
  discard(): void {
    if (!this.isHeld) return;
    this.clear();
    this.isHeld = false;
    this.lateClose();
  }

  /** Closes after the frames that were sent before; held frames delay it, by the close timeout at most. */
  close(code: number, reason: string): void {
    if (this.isHeld) {
      const timer = setTimeout(() => this.discard(), this.node.settings.closeTimeout * 1000);
      this.closing = { code, reason, timer };
      return;
    }
    this.flush();
    this.socket.close(code, reason);
  }

  /** The socket has drained: frames that wait are sent, in order, then the client gets the number of those it lost. */
  drained(): void {
    if (this.behindSince === 0 || this.isHeld) return;
    this.writeWaiting();
    if (this.waiting.length > 0 || this.socket.isFull) return;
    this.catchUp();
    this.owner.caughtUp();
  }

  /** Sends all frames that wait, then the number of those that were lost. */
  private flush(): void {
    while (this.waiting.length > 0) this.write(this.take());
    this.catchUp();
  }

  private lateClose(): void {
    const { closing } = this;
    if (!closing) return;
    clearTimeout(closing.timer);
    this.closing = undefined;
    this.close(closing.code, closing.reason);
  }

  /** The wire is gone: drops everything that waits. */
  gone(): void {
    this.clear();
    clearTimeout(this.closing?.timer);
    this.closing = undefined;
  }

  /** Drops the frames that wait. */
  clear(): void {
    while (this.waiting.length > 0) this.take();
    this.lost = 0;
    this.catchUp();
  }

  private write(frame: Frame): boolean {
    if (!this.socket.send(frame)) return false;
    this.owner.messagesOut++;
    this.owner.bytesOut += frame.size;
    this.node.counters.messagesOut++;
    this.node.counters.bytesOut += frame.size;
    return true;
  }

  private wait(frame: Frame): boolean {
    if (!this.isHeld) this.fallBehind();
    const bound = this.boundFor(frame);
    if (bound && !this.makeRoom(frame, bound)) return false;
    frame.keep();
    if (this.waiting === NOTHING) this.waiting = [];
    this.waiting.push(frame);
    this.waitingBytes += frame.size;
    this.node.slowConsumers.bytes += frame.size + MESSAGE_COST;
    return true;
  }

  private fallBehind(): void {
    if (this.behindSince > 0) return;
    this.behindSince = performance.now();
    this.node.slowConsumers.add(this);
  }

  private writeWaiting(): void {
    while (this.waiting.length > 0 && !this.socket.isFull) this.write(this.take());
  }

  /** @returns the limit that the frame would exceed; undefined for none */
  private boundFor(frame: Frame): 'bufferedBytes' | 'bufferedBytesTotal' | undefined {
    const { maxBufferedBytes, maxBufferedBytesTotal } = this.node.settings;
    const cost = frame.size + MESSAGE_COST;
    if (this.bytes + this.waiting.length * MESSAGE_COST + cost > maxBufferedBytes) return 'bufferedBytes';
    return this.node.slowConsumers.bytes + cost > maxBufferedBytesTotal ? 'bufferedBytesTotal' : undefined;
  }

  /** Applies the policy at a limit. @returns true when the frame may wait */
  private makeRoom(frame: Frame, bound: 'bufferedBytes' | 'bufferedBytesTotal'): boolean {
    if (!this.node.limits.reached(bound, `id=${this.owner.id} bytes=${this.bytes}`)) return true;
    const policy = frame.slow ?? this.policy;
    if (policy === 'close') {
      this.tooSlow(`more than ${this.node.settings.maxBufferedBytes} bytes wait`);
      return false;
    }
    while (policy === 'drop-oldest' && this.waiting.length > 0 && this.boundFor(frame)) {
      this.take();
      this.lose();
    }
    if (!this.boundFor(frame)) return true;
    this.lose();
    return false;
  }

  /** The client is too far behind, or for too long. Nothing more is sent to it, so that it sees no gap. */
  tooSlow(why: string): void {
    this.clear();
    this.owner.end(CloseCode.SLOW_CONSUMER, `slow consumer: ${why}`, 'limit');
  }

  private lose(): void {
    this.lost++;
    this.node.counters.dropped++;
  }

  private take(): Frame {
    const frame = this.waiting.shift()!;
    this.waitingBytes -= frame.size;
    this.node.slowConsumers.bytes -= frame.size + MESSAGE_COST;
    return frame;
  }

  private catchUp(): void {
    if (this.lost > 0) this.write(new Frame(encodeEnvelope(DROPPED_EVENT, { count: this.lost })));
    this.lost = 0;
    this.behindSince = 0;
    this.node.slowConsumers.delete(this);
  }
}
