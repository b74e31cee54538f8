import type { Channel, Command } from '../command.js';
import { Broker, type LocalNode } from '../broker.js';
import {
  type Appended,
  type Entry,
  type HistoryRules,
  type HistoryWindow,
  KeptPush,
  type PushHistory,
  type PushToKeep,
} from '../history.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { EVERYWHERE, NOBODY_ELSE, type Reached } from '../question.js';
import { type BrokerStats, brokerStats } from '../stats.js';
import { MemoryHistory } from './memory-history.js';

/** The broker of a single node. It delivers each command at once. */
export class MemoryBroker extends Broker {
  readonly name = 'memory (this node only)';
  readonly isShared = false;
  readonly isDegraded = false;
  override readonly history: MemoryPushHistory;
  private local?: LocalNode;

  /** @param settings default: the bound of histories is its default */
  constructor(settings?: Pick<RealtimeSettings, 'maxHistoryBytes'>) {
    super();
    this.history = new MemoryPushHistory((channel, entry) => this.deliver(channel, entry), settings?.maxHistoryBytes);
  }

  async start(local: LocalNode): Promise<void> {
    this.local = local;
  }

  publish(command: Command): Reached | Promise<Reached> {
    const waits = this.local?.deliver(command);
    return waits ? waits.then(() => EVERYWHERE) : EVERYWHERE;
  }

  hold(): undefined {}

  release(): void {}

  prepare(): undefined {}

  ask(): typeof NOBODY_ELSE {
    return NOBODY_ELSE;
  }

  async share(): Promise<void> {}

  nodes(): [] {
    return [];
  }

  stats(): BrokerStats {
    return brokerStats(this.name);
  }

  async stop(): Promise<void> {
    this.history.clear();
    this.local = undefined;
  }

  private deliver(channel: Channel, entry: Entry<KeptPush>): void {
    this.local?.history?.entry(channel, entry);
  }
}

/** The histories in this process. Entries are the frames themselves. */
class MemoryPushHistory implements PushHistory {
  private readonly kept: MemoryHistory;

  constructor(deliver: (channel: Channel, entry: Entry<KeptPush>) => void, maxBytes?: number) {
    const bounds = maxBytes === undefined ? {} : { maxBytes };
    this.kept = new MemoryHistory((channel, entry) => deliver(channel, entry as Entry<KeptPush>), undefined, bounds);
  }

  /** How many entries and rooms were forgotten before their time. */
  get evicted(): number {
    const { entries, rooms } = this.kept.evicted;
    return entries + rooms;
  }

  append({ channel, except, frame }: PushToKeep, rules: HistoryRules): Appended {
    frame.keep();
    return this.kept.add(channel, new KeptPush(frame, except), rules);
  }

  read(channel: Channel, after: number | undefined, limit: number): Promise<HistoryWindow<KeptPush>> {
    return this.kept.read(channel, after, limit) as Promise<HistoryWindow<KeptPush>>;
  }

  top(channels: readonly Channel[], renew?: boolean): ReturnType<MemoryHistory['top']> {
    return this.kept.top(channels, renew);
  }

  isOn(): boolean {
    return true;
  }

  clear(): void {
    this.kept.clear();
  }
}
