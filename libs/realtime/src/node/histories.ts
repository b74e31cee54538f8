/** The rooms and users of this node whose pushes are kept, as the settings say. Road OUT, step 7. */
import { type Awaitable, isPromise } from '../awaitable.js';
import type { Broker } from '../broker.js';
import { type Channel, channelOf } from '../command.js';
import { OptionsError, RealtimeError } from '../errors.js';
import type { Appended, HistoryRules, PushHistory, PushToKeep } from '../history.js';
import type { GapReason } from '../history/room-member.js';
import { RoomStreams } from '../history/room-streams.js';
import type { Hub } from '../hub.js';
import type { Log } from '../log.js';
import { positionText } from '../position.js';
import { EVERYWHERE, type Reached } from '../question.js';
import { type HistoryOptions, keepsHistory } from '../settings/room-options.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { HistoryCounts, type HistoryStats } from '../stats.js';
import type { NodeConnection } from './answers.js';
import { HistoryLog } from './history-log.js';

const ROOM = channelOf.room('');
const USER = channelOf.user('');

export class Histories {
  readonly counts = new HistoryCounts();
  /** What arrives of these rooms passes here. */
  readonly streams: RoomStreams<NodeConnection>;
  private readonly lines: HistoryLog;
  /** How many evictions the log has. */
  private evicted = 0;

  constructor(
    private readonly settings: RealtimeSettings,
    private readonly broker: Broker,
    hub: () => Hub<NodeConnection>,
    log: Log,
  ) {
    this.lines = new HistoryLog(log);
    this.streams = new RoomStreams({
      settings,
      history: () => broker.history,
      deliver: (command, isLive) => hub().deliverInPlace(command, isLive),
      lines: this.lines,
    });
  }

  /** @returns undefined where neither rooms nor users have a history */
  static of(
    settings: RealtimeSettings,
    broker: Broker,
    hub: () => Hub<NodeConnection>,
    log: Log,
  ): Histories | undefined {
    return keepsHistory(settings) ? new Histories(settings, broker, hub, log) : undefined;
  }

  /** Stops the broker, which has started, when it keeps nothing. @throws OptionsError then */
  async check(): Promise<void> {
    if (this.broker.history) return;
    await this.broker.stop();
    throw new OptionsError(
      `The broker ${this.broker.name} keeps no history of rooms: set REALTIME_BROKER=redis, or remove history from forRoot({ rooms, users })`,
    );
  }

  /** @returns how the pushes of a channel are kept; undefined when they are not */
  rulesOf(channel: Channel): HistoryOptions | undefined {
    if (channel.startsWith(ROOM)) return this.settings.rooms.find(channel.slice(ROOM.length))?.history;
    return channel.startsWith(USER) ? this.settings.users.history : undefined;
  }

  /**
   * Hands a push to every node that has members of its room, and keeps it.
   *
   * @returns resolves when it is kept and the members of this node have it
   * @throws RealtimeError `unavailable` or `refused`: it was not kept; `unknown`: it may have been
   */
  append(push: PushToKeep, rules: HistoryRules): Awaitable<Reached> {
    const appended = this.kept().append(push, rules);
    // In the memory of this process an append is over at once, and costs no promise
    if (!isPromise(appended)) return this.appended(push.channel, appended);
    return appended.then(
      (done) => this.appended(push.channel, done),
      (error: unknown) => {
        this.counts.rejected++;
        throw error;
      },
    );
  }

  private appended(channel: Channel, { position, repeated }: Appended): Awaitable<Reached> {
    if (repeated) this.counts.repeated++;
    else this.counts.appended++;
    this.noteEvicted();
    const reached = {
      missing: EVERYWHERE.missing,
      position: positionText(position),
      ...(repeated && { isRepeated: true as const }),
    };
    const isThere = repeated ? undefined : this.streams.appended(channel, position);
    return isThere ? isThere.then(() => reached) : reached;
  }

  stats(): HistoryStats {
    const { size: rooms, reads, tailBytes } = this.streams;
    return { rooms, ...this.counts, reads, tailBytes, evicted: this.broker.history?.evicted ?? 0 };
  }

  /** A member of a room was told that something is missing. */
  gap(channel: Channel, reason: GapReason): void {
    this.counts.gaps++;
    this.lines.gap(channel, reason);
  }

  private noteEvicted(): void {
    const { evicted = 0 } = this.kept();
    if (evicted > this.evicted) this.lines.evicted(evicted);
    this.evicted = evicted;
  }

  /** @throws RealtimeError `unavailable` before the bootstrap of the application */
  kept(): PushHistory {
    const { history } = this.broker;
    if (history) return history;
    throw new RealtimeError('unavailable', 'The module has not started: push after the bootstrap of the application');
  }
}
