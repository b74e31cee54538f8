/**
 * Road OUT, step 10: decides when the sockets of a node write. All frames that a socket is sent in one turn of the
 * event loop are written at once at the end of the turn; with a flush window, at the end of the window. A turn writes
 * to a bounded number of sockets, because ten thousand writes would stall the loop for 50 ms, and new sockets do not
 * wait for old ones.
 */
import { FrameChain } from './chain.js';

/** A socket with something to write. */
export interface Flushable {
  /** Writes the waiting frames. Never throws. @param now the begin of the turn, in milliseconds of `performance.now()` */
  flush(now: number): void;
}

/** The most sockets that one turn writes to: about 1.5 ms. */
const BATCH = 256;

/** The most sockets that the first of several turns writes to: the others gain frames sent at nearly the same time. */
const FIRST_BATCH = 64;

export class Flusher {
  /** The empty chain that the chain of every socket begins with. */
  readonly start = FrameChain.start();
  /** Sockets whose window is not over. */
  private collecting: Flushable[] = [];
  private due: Flushable[] = [];
  /** Sockets for which there was no time in their own turn; those before `done` are written. */
  private late: Flushable[] = [];
  private done = 0;
  private batch = FIRST_BATCH;
  private isScheduled = false;

  /** @param windowMs how long frames are collected; 0 for one turn of the event loop */
  constructor(private readonly windowMs = 0) {}

  /** Calls `flush()` of the socket soon. MUST NOT be called again for the same socket before that. */
  add(socket: Flushable): void {
    if (this.windowMs === 0) {
      this.due.push(socket);
      this.schedule();
      return;
    }
    if (this.collecting.length === 0) setTimeout(endWindow, this.windowMs, this);
    this.collecting.push(socket);
  }

  /** @internal */
  endWindow(): void {
    this.due = this.due.concat(this.collecting);
    this.collecting = [];
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(flush, this);
  }

  /** @internal */
  flush(): void {
    this.isScheduled = false;
    this.start.forget();
    const { due, batch } = this;
    this.due = [];
    const many = Math.min(due.length, batch);
    const now = performance.now();
    for (let i = 0; i < many; i++) due[i]!.flush(now);
    if (this.late.length > 0) this.flushLate(Math.max(batch / 2, batch - many), now);
    for (let i = many; i < due.length; i++) this.late.push(due[i]!);
    this.batch = this.late.length > 0 ? Math.min(batch * 2, BATCH) : FIRST_BATCH;
    if (this.late.length > 0) this.schedule();
  }

  private flushLate(most: number, now: number): void {
    const end = Math.min(this.late.length, this.done + most);
    while (this.done < end) this.late[this.done++]!.flush(now);
    if (this.done < this.late.length) return;
    this.late = [];
    this.done = 0;
  }
}

function flush(flusher: Flusher): void {
  flusher.flush();
}

function endWindow(flusher: Flusher): void {
  flusher.endWindow();
}
