/**
 * Road IN, step 1: a message that a client has begun and not ended. Most chunks from the network end between two
 * messages, so a connection has a watch only from the first chunk that does not.
 */
import type { Limits } from '../../limits/limits.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import { FrameScanner } from './scanner.js';

/** Whose messages are watched. */
export interface Watched {
  /** This side does not read. */
  readonly isPaused: boolean;
  /** The message has not ended in time. */
  messageLate(): void;
  /** Nothing is under way: the watch is not needed any more. */
  unwatch(): void;
}

export class MessageWatch {
  private readonly scanner: FrameScanner;
  /** What the scanner had counted when it was last looked at. */
  private tooFragmented = 0;
  private tooSpread = 0;
  private timer?: NodeJS.Timeout;
  /** Messages finished when the timer was set. */
  private timedAfter = 0;
  /** This side has not read since the timer was set: that the message is unfinished is nobody's fault. */
  private wasPaused = false;

  constructor(
    private readonly watched: Watched,
    private readonly settings: RealtimeSettings,
    private readonly limits: Limits,
  ) {
    this.scanner = new FrameScanner(settings);
  }

  /** A message has begun and not ended. */
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

  /** What ws does not enforce, because it is only reported. */
  private report(): void {
    const { tooFragmented, tooSpread } = this.scanner;
    for (; this.tooFragmented < tooFragmented; this.tooFragmented++) this.limits.reached('fragments', 'code=1008');
    for (; this.tooSpread < tooSpread; this.tooSpread++) this.limits.reached('chunks', 'code=1008');
  }

  /** One timer, set again only when it finds another message under way than the one it was set for. */
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
