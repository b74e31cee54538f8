/**
 * Road OUT, step 10: when the sockets of a node write. What a socket is sent in one turn of the event loop leaves in one
 * write at the end of the turn; with a flush window, at the end of the window. A turn writes to a bounded number of
 * sockets, because ten thousand writes at once would stall the loop for 50 ms, and new ones do not wait for old ones.
 */
import { FrameChain } from './chain.js';

/** A socket with something to write. */
export interface Flushable {
  /** Writes what waits. Never throws. */
  flush(): void;
}

/** Sockets that one turn writes to at most: about 1.5 ms. */
const BATCH = 256;

/** Those that the first turn of many writes to: the others take along what is sent at nearly the same time. */
const FIRST_BATCH = 64;

export class Flusher {
  /** Where the chain of every socket begins. */
  readonly start = FrameChain.start();
  /** Those whose window is not over. */
  private collecting: Flushable[] = [];
  private due: Flushable[] = [];
  /** Those for which there was no time in their own turn, from `done` on. */
  private late: Flushable[] = [];
  private done = 0;
  private batch = FIRST_BATCH;
  private isScheduled = false;

  /** @param windowMs how long frames are collected; 0 is for one turn */
  constructor(private readonly windowMs = 0) {}

  /** Has the socket flushed soon. MUST not be called again before that. */
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
    for (let i = 0; i < many; i++) due[i]!.flush();
    if (this.late.length > 0) this.flushLate(Math.max(batch / 2, batch - many));
    for (let i = many; i < due.length; i++) this.late.push(due[i]!);
    this.batch = this.late.length > 0 ? Math.min(batch * 2, BATCH) : FIRST_BATCH;
    if (this.late.length > 0) this.schedule();
  }

  private flushLate(most: number): void {
    const end = Math.min(this.late.length, this.done + most);
    while (this.done < end) this.late[this.done++]!.flush();
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
