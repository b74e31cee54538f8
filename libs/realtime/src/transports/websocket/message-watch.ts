/**
 * Road IN, step 1: watches a message that a client has begun and not ended. Most reads end between two messages, so a
 * connection has a watch only from the first read on that does not.
 */
/** What is known of the messages of a connection. */
export interface Progress {
  /** True while a message has begun and not ended. */
  readonly isUnfinished: boolean;
  /** Messages since the start that are complete. */
  readonly finished: number;
}

/** The connection whose messages are watched. */
export interface Watched {
  /** True while this side does not read. */
  readonly isPaused: boolean;
  /** Called when the message has not ended in time. */
  messageLate(): void;
  /** Called when no message is unfinished: the watch is no longer needed. */
  unwatch(): void;
}

export class MessageWatch {
  private timer?: NodeJS.Timeout;
  /** How many messages were finished when the timer was set. */
  private timedAfter = 0;
  /** True when this side stopped reading since the timer was set: the client is not to blame for the delay. */
  private wasPaused = false;

  constructor(
    private readonly watched: Watched,
    private readonly progress: Progress,
    /** In seconds; 0 for no limit. */
    private readonly messageTimeout: number,
  ) {}

  /** Called after each read. */
  look(): void {
    if (this.progress.isUnfinished) this.time();
    else if (!this.timer) this.watched.unwatch();
  }

  paused(): void {
    this.wasPaused = true;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** Sets the timer, if none runs. It is set again only when it fires during another message than it was set for. */
  private time(): void {
    if (this.messageTimeout === 0 || this.timer) return;
    this.timedAfter = this.progress.finished;
    this.wasPaused = this.watched.isPaused;
    this.timer = setTimeout(() => this.due(), this.messageTimeout * 1000);
    this.timer.unref();
  }

  private due(): void {
    this.timer = undefined;
    if (!this.progress.isUnfinished) return this.watched.unwatch();
    const isSame = this.progress.finished === this.timedAfter;
    if (isSame && !this.wasPaused) this.watched.messageLate();
    else this.time();
  }
}
