/**
 * Road OUT, step 9: what goes to one client, bounded. As long as the client reads, a frame goes straight to its socket;
 * when it does not, frames wait here, where they can still be dropped, until the socket has drained.
 */
import { CloseCode, encodeEnvelope } from 'nestjs-realtime-protocol';
import type { CloseInitiator } from '../close-info.js';
import { Frame, type SlowPolicy } from '../frame.js';
import type { Node } from '../node/node.js';
import type { Socket } from '../transport.js';

/** What a message that waits costs beside its payload, in bytes: without it, empty ones would wait without a bound. */
const MESSAGE_COST = 128;

const NOTHING: Frame[] = [];

/** The event that tells a client how many messages it lost. */
export const DROPPED_EVENT = 'dropped';

/** The connection. */
export interface OutboxOwner {
  readonly id: string;
  messagesOut: number;
  bytesOut: number;
  end(code: number, reason: string, initiator: CloseInitiator): void;
  /** Nothing waits any more. */
  caughtUp(): void;
}

export class Outbox {
  /** When the client fell behind, in milliseconds of `performance.now()`. */
  behindSince = 0;
  /** Most clients never wait for anything: they share one. */
  private waiting: Frame[] = NOTHING;
  private waitingBytes = 0;
  private lost = 0;
  /** Everything waits: what `onOpen` wrote to the session is not stored yet. */
  private isHeld = false;
  /** A close that waits for what is held. */
  private closing?: { readonly code: number; readonly reason: string; readonly timer: NodeJS.Timeout };

  constructor(
    private readonly owner: OutboxOwner,
    private readonly socket: Socket,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'slowConsumers' | 'counters'>,
    /** What happens when the bound is reached; default: the setting's. */
    private readonly policy: SlowPolicy = node.settings.slowConsumer,
  ) {}

  get bytes(): number {
    return this.socket.bufferedBytes + this.waitingBytes;
  }

  /** @returns false when the frame was not sent and does not wait */
  send(frame: Frame): boolean {
    const isFlowing = this.waiting.length === 0 && this.lost === 0;
    if (isFlowing && !this.isHeld && !this.socket.isFull) return this.write(frame);
    return this.wait(frame);
  }

  /** From now on everything waits, within the bounds, until `release` or `discard`. */
  hold(): void {
    this.isHeld = true;
  }

  /** What was held leaves. */
  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.writeWaiting();
    if (this.waiting.length > 0) this.fallBehind();
    else this.catchUp();
    this.lateClose();
  }

  /** What was held is forgotten, as if it had not been sent. */
  discard(): void {
    if (!this.isHeld) return;
    this.clear();
    this.isHeld = false;
    this.lateClose();
  }

  /** Closes after what was sent before; what is held must not leave, so it waits for that, up to the close timeout. */
  close(code: number, reason: string): void {
    if (this.isHeld) {
      const timer = setTimeout(() => this.discard(), this.node.settings.closeTimeout * 1000);
      this.closing = { code, reason, timer };
      return;
    }
    this.flush();
    this.socket.close(code, reason);
  }

  /** The socket has drained: what waits goes on, in order; then the client learns what it lost. */
  drained(): void {
    if (this.behindSince === 0 || this.isHeld) return;
    this.writeWaiting();
    if (this.waiting.length > 0 || this.socket.isFull) return;
    this.catchUp();
    this.owner.caughtUp();
  }

  /** What waits goes, and what was lost is told. */
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

  /** The wire is gone. */
  gone(): void {
    this.clear();
    clearTimeout(this.closing?.timer);
    this.closing = undefined;
  }

  /** Forgets what waits. */
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

  /** @returns the bound that the frame would exceed */
  private boundFor(frame: Frame): 'bufferedBytes' | 'bufferedBytesTotal' | undefined {
    const { maxBufferedBytes, maxBufferedBytesTotal } = this.node.settings;
    const cost = frame.size + MESSAGE_COST;
    if (this.bytes + this.waiting.length * MESSAGE_COST + cost > maxBufferedBytes) return 'bufferedBytes';
    return this.node.slowConsumers.bytes + cost > maxBufferedBytesTotal ? 'bufferedBytesTotal' : undefined;
  }

  /** Does what the policy says. @returns true when the frame may wait */
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

  /** The client is behind for too long, or too far: nothing more is sent to it, so there is no gap to wonder about. */
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
