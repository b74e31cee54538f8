/**
 * Every limit of the module reports here when it is hit: counted, logged at most once a second, and enforced unless
 * `REALTIME_LIMITS=report`. docs/limits.md has the table of limits, codes and settings.
 */
import type { Log } from '../log.js';

/** The limits, as `stats().limits` names them. */
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
  'posts',
  'postBytes',
  'controlRate',
  'messageRate',
  'byteRate',
  'queuedMessages',
  'bufferedBytes',
  'bufferedBytesTotal',
  'slowTime',
  'hookTime',
  'rooms',
  'members',
  'replies',
  'streams',
  'nameLength',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** How often each limit was reached. */
export type LimitCounts = Readonly<Record<LimitName, number>>;

const LOG_EVERY_MS = 1000;

export class Limits {
  readonly counts = Object.fromEntries(LIMIT_NAMES.map((name) => [name, 0])) as Record<LimitName, number>;
  private readonly loggedAt = new Map<LimitName, { at: number; unsaid: number }>();

  constructor(
    private readonly log: Log,
    /** True if limits are counted and logged, but refuse nothing. */
    readonly isReportOnly: boolean,
  ) {}

  /**
   * Counts and logs that a limit was reached.
   *
   * @param at fields for the log line, as `name=value`
   * @returns true if the limit is to be enforced
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
