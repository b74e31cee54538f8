/**
 * Road OUT, step 10: when the sockets of a node write. What a socket is sent in one turn of the event loop leaves in one
 * write at the end of the turn; with a flush window, at the end of the window. A turn writes to a bounded number of
 * sockets, because ten thousand writes at once would stall the loop for 50 ms, and new ones do not wait for old ones.
 */
import { FrameChain } from './websocket-chain.js';

/** A socket with something to write. */
export interface Flushable {
  /** Writes what waits. Never throws. */
  flush(): void;
}

/** Sockets that one turn writes to: about 1.5 ms. */
const BATCH = 256;

export class Flusher {
  /** Where the chain of every socket begins. */
  readonly start = FrameChain.start();
  private fresh: Flushable[] = [];
  /** Those for which there was no time in their own turn, from `done` on. */
  private late: Flushable[] = [];
  private done = 0;
  private isScheduled = false;

  /** @param windowMs how long frames are collected; 0 is for one turn */
  constructor(private readonly windowMs = 0) {}

  /** Has the socket flushed soon. MUST not be called again before that. */
  add(socket: Flushable): void {
    this.fresh.push(socket);
    if (!this.isScheduled) this.schedule(this.windowMs);
  }

  private schedule(delayMs: number): void {
    this.isScheduled = true;
    if (delayMs > 0) setTimeout(flush, delayMs, this);
    else setImmediate(flush, this);
  }

  /** @internal */
  flush(): void {
    this.isScheduled = false;
    this.start.forget();
    const { fresh } = this;
    this.fresh = [];
    const many = Math.min(fresh.length, BATCH);
    for (let i = 0; i < many; i++) fresh[i]!.flush();
    if (this.late.length > 0) this.flushLate(Math.max(BATCH / 2, BATCH - many));
    for (let i = many; i < fresh.length; i++) this.late.push(fresh[i]!);
    if (this.late.length > 0) this.schedule(0);
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
