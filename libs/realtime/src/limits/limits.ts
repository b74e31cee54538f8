/**
 * Every limit of the module reports here when it is hit: counted, logged at most once a second, and enforced unless
 * `REALTIME_LIMITS=report`. docs/limits.md has the table of limits, codes and settings.
 */
import type { Log } from '../log.js';
import { LineRate } from './line-rate.js';

/** The limits, as `stats().limits` names them, and the setting of each, which its line in the log names. */
const SETTING_OF = {
  connections: 'REALTIME_MAX_CONNECTIONS',
  connectionsPerAddress: 'REALTIME_MAX_CONNECTIONS_PER_ADDRESS',
  connectionsPerUser: 'REALTIME_MAX_CONNECTIONS_PER_USER',
  connectionRate: 'REALTIME_MAX_CONNECTION_RATE',
  connectionRatePerAddress: 'REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS',
  failedHandshakes: 'REALTIME_MAX_FAILED_HANDSHAKES',
  unfinishedHandshakes: 'REALTIME_MAX_UNFINISHED_HANDSHAKES',
  handshakeTime: 'REALTIME_HANDSHAKE_TIMEOUT',
  headerTime: 'REALTIME_HEADER_TIMEOUT',
  authenticateTime: 'REALTIME_AUTHENTICATE_TIMEOUT',
  messageBytes: 'REALTIME_MAX_MESSAGE_BYTES',
  fragments: 'REALTIME_MAX_FRAGMENTS',
  chunks: 'REALTIME_MAX_BUFFERED_CHUNKS',
  messageTime: 'REALTIME_MESSAGE_TIMEOUT',
  posts: 'REALTIME_MAX_POSTS',
  postBytes: 'REALTIME_MAX_POST_BYTES',
  controlRate: 'REALTIME_MAX_CONTROL_RATE',
  messageRate: 'REALTIME_MAX_MESSAGE_RATE',
  byteRate: 'REALTIME_MAX_BYTE_RATE',
  queuedMessages: 'REALTIME_MAX_QUEUED_MESSAGES,REALTIME_MAX_QUEUED_BYTES',
  bufferedBytes: 'REALTIME_MAX_BUFFERED_BYTES',
  bufferedBytesTotal: 'REALTIME_MAX_BUFFERED_BYTES_TOTAL',
  slowTime: 'REALTIME_MAX_SLOW_TIME',
  replayBytes: 'REALTIME_MAX_REPLAY_BYTES',
  detached: 'REALTIME_MAX_DETACHED',
  hookTime: 'REALTIME_HOOK_TIMEOUT',
  rooms: 'REALTIME_MAX_ROOMS_PER_CONNECTION',
  members: 'REALTIME_MAX_MEMBERS',
  replies: 'REALTIME_MAX_REPLIES',
  streams: 'REALTIME_MAX_STREAMS',
  presenceBytes: 'REALTIME_MAX_PRESENCE_BYTES',
  presenceUsers: 'REALTIME_MAX_PRESENCE_USERS',
  nameLength: 'REALTIME_MAX_NAME_LENGTH',
} as const;

export type LimitName = keyof typeof SETTING_OF;

export const LIMIT_NAMES = Object.keys(SETTING_OF) as LimitName[];

/** How often each limit was reached. */
export type LimitCounts = Readonly<Record<LimitName, number>>;

/** Lines of each limit. */
const LINES_PER_SECOND = 1;

export class Limits {
  readonly counts = Object.fromEntries(LIMIT_NAMES.map((name) => [name, 0])) as Record<LimitName, number>;
  private readonly rates = new Map<LimitName, LineRate>();

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
    const rate = this.rates.get(name) ?? new LineRate(LINES_PER_SECOND, 1);
    this.rates.set(name, rate);
    const more = rate.take();
    if (more === undefined) return;
    const mode = this.isReportOnly ? ' (report only)' : '';
    this.log.warn(`Realtime limit reached${mode} limit=${name} ${at} setting=${SETTING_OF[name]}${more}`);
  }
}
