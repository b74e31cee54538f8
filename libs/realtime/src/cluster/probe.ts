import { detached } from '../async-context.js';
import { Patience } from './patience.js';

export interface ProbeTimes {
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
}

/**
 * Publishes to itself through one connection and listens on the other one. That finds what no answer to a command
 * shows: a half-open connection, a subscription that the server has lost, rights that are missing, two connections
 * that lead to different servers.
 */
export class Probe {
  /** How long the last message took, in milliseconds. */
  lagMs?: number;
  private readonly patience: Patience;
  private next?: NodeJS.Timeout;
  private count = 0;
  private sentAt = 0;
  private first?: () => void;

  /**
   * @param send publishes the bytes to the channel of the probe
   * @param lost called when they do not come back in time
   */
  constructor(
    private readonly times: ProbeTimes,
    private readonly send: (bytes: Buffer) => void,
    lost: () => void,
  ) {
    this.patience = new Patience(times.probeTimeoutMs, lost);
  }

  /** Sends the first one. Resolves when it is back. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.first = resolve;
      this.now();
    });
  }

  /** Sends one at once, unless one is under way. */
  now(): void {
    if (this.patience.isRunning) return;
    clearTimeout(this.next);
    this.sentAt = performance.now();
    this.patience.start();
    this.send(Buffer.from(String(++this.count)));
  }

  /** Sends one at once and forgets the one that is under way. */
  again(): void {
    this.stop();
    this.now();
  }

  /** Takes what has arrived on the channel of the probe. */
  received(bytes: Buffer): void {
    if (!this.patience.isRunning || bytes.toString('latin1') !== String(this.count)) return;
    this.lagMs = performance.now() - this.sentAt;
    this.patience.stop();
    this.next = detached(() => setTimeout(() => this.now(), this.times.probeIntervalMs)).unref();
    this.first?.();
  }

  stop(): void {
    this.patience.stop();
    clearTimeout(this.next);
  }
}
