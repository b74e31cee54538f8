/**
 * Road IN, step 1: watches a message that a client has begun and not ended. Most chunks from the network end between
 * two messages, so a connection has a watch only from the first chunk on that does not.
 */
import type { Limits } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { FrameScanner } from './scanner.js';

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
  private readonly scanner: FrameScanner;
  /** The scanner's counts when they were last reported. */
  private tooFragmented = 0;
  private tooSpread = 0;
  private timer?: NodeJS.Timeout;
  /** How many messages were finished when the timer was set. */
  private timedAfter = 0;
  /** True when this side stopped reading since the timer was set: the client is not to blame for the delay. */
  private wasPaused = false;

  constructor(
    private readonly watched: Watched,
    private readonly settings: RealtimeSettings,
    private readonly limits: Limits,
  ) {
    this.scanner = new FrameScanner(settings);
  }

  /** True while a message has begun and not ended. */
  get isUnfinished(): boolean {
    return this.scanner.isUnfinished;
  }

  heard(chunk: Buffer): void {
    this.scanner.scan(chunk);
    if (this.limits.isReportOnly) this.report();
    if (this.scanner.isUnfinished) this.time();
    else if (!this.timer) this.watched.unwatch();
  }

  paused(): void {
    this.wasPaused = true;
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** Counts what ws does not enforce while limits are only reported. */
  private report(): void {
    const { tooFragmented, tooSpread } = this.scanner;
    for (; this.tooFragmented < tooFragmented; this.tooFragmented++) this.limits.reached('fragments', 'code=1008');
    for (; this.tooSpread < tooSpread; this.tooSpread++) this.limits.reached('chunks', 'code=1008');
  }

  /** Sets the timer, if none runs. It is set again only when it fires during another message than it was set for. */
  private time(): void {
    const { messageTimeout } = this.settings;
    if (messageTimeout === 0 || this.timer) return;
    this.timedAfter = this.scanner.finished;
    this.wasPaused = this.watched.isPaused;
    this.timer = setTimeout(() => this.due(), messageTimeout * 1000);
    this.timer.unref();
  }

  private due(): void {
    this.timer = undefined;
    if (!this.scanner.isUnfinished) return this.watched.unwatch();
    const isSame = this.scanner.finished === this.timedAfter;
    if (isSame && !this.wasPaused) this.watched.messageLate();
    else this.time();
  }
}
