/**
 * Every bound of the module says here that it was reached: it is counted, logged at most once a second per bound, and
 * enforced, or with `REALTIME_LIMITS=report` only told. docs/limits.md has the table of bounds, codes and settings.
 */
import type { Log } from '../log.js';

/** The bounds, as `stats().limits` names them. */
export const LIMIT_NAMES = [
  'connections',
  'connectionsPerAddress',
  'connectionsPerUser',
  'connectionRate',
  'connectionRatePerAddress',
  'failedHandshakes',
  'unfinishedHandshakes',
  'handshakeTime',
  'headerTime',
  'authenticateTime',
  'messageBytes',
  'fragments',
  'chunks',
  'messageTime',
  'controlRate',
  'messageRate',
  'byteRate',
  'queuedMessages',
  'bufferedBytes',
  'bufferedBytesTotal',
  'slowTime',
  'rooms',
  'members',
  'replies',
  'nameLength',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** How often each bound was reached. */
export type LimitCounts = Readonly<Record<LimitName, number>>;

const LOG_EVERY_MS = 1000;

export class Limits {
  readonly counts = Object.fromEntries(LIMIT_NAMES.map((name) => [name, 0])) as Record<LimitName, number>;
  private readonly loggedAt = new Map<LimitName, { at: number; unsaid: number }>();

  constructor(
    private readonly log: Log,
    /** True: count and log, refuse nothing. */
    readonly isReportOnly: boolean,
  ) {}

  /**
   * A bound was reached.
   *
   * @param at what the log line says of it, as `name=value` fields
   * @returns true when it should be enforced
   */
  reached(name: LimitName, at: string): boolean {
    this.counts[name]++;
    this.logReached(name, at);
    return !this.isReportOnly;
  }

  private logReached(name: LimitName, at: string): void {
    const now = performance.now();
    const last = this.loggedAt.get(name);
    if (last && now - last.at < LOG_EVERY_MS) {
      last.unsaid++;
      return;
    }
    const more = last?.unsaid ? ` unsaid=${last.unsaid}` : '';
    const mode = this.isReportOnly ? ' (report only)' : '';
    this.loggedAt.set(name, { at: now, unsaid: 0 });
    this.log.warn(`WebSocket limit reached${mode} limit=${name} ${at}${more}`);
  }
}
