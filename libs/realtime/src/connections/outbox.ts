/**
 * Road OUT, step 9: the outgoing messages of one client, bounded. While the client reads, a frame goes straight to its
 * socket; while it does not, frames wait here, where they can still be dropped, until the socket has drained.
 */
import { CloseCode, encodeEnvelope } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import { NoticeFrame, Frame, type SlowPolicy } from '../frame.js';
import type { Node } from '../node/node.js';
import { MESSAGE_COST } from '../node/replay-ring.js';
import type { Place, Socket } from '../transport.js';
import { type Placed, type Waiting, WaitingFrames } from './waiting-frames.js';

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
  private readonly waiting: WaitingFrames;
  private lost = 0;
  /** The rooms of which something was lost. They go on by themselves, so `lost` does not count it. */
  private losers?: Set<Placed>;
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
  ) {
    this.waiting = new WaitingFrames(node.slowConsumers);
  }

  get bytes(): number {
    return this.socket.bufferedBytes + this.waiting.bytes;
  }

  /**
   * Sends a frame, or lets it wait.
   *
   * @param place where the client stands in a room with history once it has the frame
   * @param from what sends the messages of that room
   * @returns false when it was dropped
   */
  send(frame: Frame, place?: Place, from?: Placed): boolean {
    const isFlowing = this.waiting.length === 0 && this.lost === 0;
    if (isFlowing && !this.isHeld && !this.socket.isFull) return this.write(frame, place);
    return this.wait({ frame, place, from });
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
    else this.regain();
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
    this.regain();
    this.owner.caughtUp();
  }

  /** There is room again, also for the rooms that have lost something. */
  private regain(): void {
    this.catchUp();
    const { losers } = this;
    this.losers = undefined;
    for (const room of losers ?? []) room.regained();
  }

  /** Sends all frames that wait, then the number of those that were lost. */
  private flush(): void {
    while (this.waiting.length > 0) this.writeNext();
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
    while (this.waiting.length > 0) this.waiting.take();
    this.lost = 0;
    this.catchUp();
  }

  private writeNext(): void {
    const { frame, place } = this.waiting.take();
    this.write(frame, place);
  }

  private write(frame: Frame, place?: Place): boolean {
    if (!this.socket.send(frame, place)) return false;
    this.owner.messagesOut++;
    this.owner.bytesOut += frame.size;
    this.node.counters.messagesOut++;
    this.node.counters.bytesOut += frame.size;
    return true;
  }

  private wait(item: Waiting): boolean {
    const { frame } = item;
    if (!this.isHeld) this.fallBehind();
    const bound = this.boundFor(frame);
    if (bound && !this.makeRoom(item, bound)) return false;
    this.waiting.push(item);
    return true;
  }

  private fallBehind(): void {
    if (this.behindSince > 0) return;
    this.behindSince = performance.now();
    this.node.slowConsumers.add(this);
  }

  private writeWaiting(): void {
    while (this.waiting.length > 0 && !this.socket.isFull) this.writeNext();
  }

  /** @returns the limit that the frame would exceed; undefined for none */
  private boundFor(frame: Frame): 'bufferedBytes' | 'bufferedBytesTotal' | undefined {
    const { maxBufferedBytes, maxBufferedBytesTotal } = this.node.settings;
    if (frame instanceof NoticeFrame) return undefined;
    const cost = frame.size + MESSAGE_COST;
    if (this.bytes + this.waiting.length * MESSAGE_COST + cost > maxBufferedBytes) return 'bufferedBytes';
    return this.node.slowConsumers.bytes + cost > maxBufferedBytesTotal ? 'bufferedBytesTotal' : undefined;
  }

  /** Applies the policy at a limit. @returns true when the frame may wait */
  private makeRoom(item: Waiting, bound: 'bufferedBytes' | 'bufferedBytesTotal'): boolean {
    const { frame } = item;
    if (!this.node.limits.reached(bound, `id=${this.owner.id} bytes=${this.bytes}`)) return true;
    const policy = frame.slow ?? this.policy;
    if (policy === 'close') {
      this.tooSlow(`more than ${this.node.settings.maxBufferedBytes} bytes wait`);
      return false;
    }
    if (policy === 'drop-oldest') this.dropOldest(frame);
    if (!this.boundFor(frame)) return true;
    if (item.from) (this.losers ??= new Set()).add(item.from);
    else this.lose();
    return false;
  }

  /** Drops what has waited longest until the frame may wait; what the protocol has to tell is never dropped. */
  private dropOldest(frame: Frame): void {
    for (let index = 0; index < this.waiting.length && this.boundFor(frame);) {
      if (this.waiting.at(index).frame instanceof NoticeFrame) index++;
      else this.drop(index);
    }
  }

  private drop(index: number): void {
    this.waiting.replace(index, ({ place, from }) => {
      if (from) (this.losers ??= new Set()).add(from);
      const told = place && from?.lostAt(place);
      if (!told) this.lose();
      return told && { frame: told, place };
    });
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

  private catchUp(): void {
    if (this.lost > 0) this.write(new Frame(encodeEnvelope(DROPPED_EVENT, { count: this.lost })));
    this.lost = 0;
    this.behindSince = 0;
    this.node.slowConsumers.delete(this);
  }
}
