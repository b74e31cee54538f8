import { batches, type Partition } from './partition.js';

interface Group {
  readonly partition: Partition;
  readonly channels: readonly string[];
}

/**
 * Subscribes and unsubscribes over all partitions, wholly or not at all: where one part of a call fails, the parts
 * that were done are undone.
 */
export class Subscriptions {
  /** @param partitionOf returns the partition of a channel */
  constructor(private readonly partitionOf: (channel: string) => Partition) {}

  /** @throws LinkError when none of the channels that were off is subscribed */
  async subscribe(channels: readonly string[]): Promise<void> {
    const isOff = (channel: string) => !this.partitionOf(channel).channels.has(channel);
    await together(this.grouped(channels.filter(isOff)), join, leave);
  }

  /** @throws LinkError when all channels that were on are still subscribed */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    const isOn = (channel: string) => this.partitionOf(channel).channels.has(channel);
    await together(this.grouped(channels.filter(isOn)), leave, join);
  }

  private grouped(channels: readonly string[]): Group[] {
    const groups = new Map<Partition, string[]>();
    for (const channel of channels) {
      const partition = this.partitionOf(channel);
      const group = groups.get(partition);
      if (group) group.push(channel);
      else groups.set(partition, [channel]);
    }
    return [...groups].flatMap(([partition, all]) => batches(all).map((part) => ({ partition, channels: part })));
  }
}

type Step = (group: Group) => Promise<void>;

async function together(groups: readonly Group[], step: Step, undo: Step): Promise<void> {
  const results = await Promise.allSettled(groups.map(step));
  const failure = results.find((result) => result.status === 'rejected');
  if (!failure) return;
  const done = groups.filter((_group, index) => results[index]!.status === 'fulfilled');
  await Promise.allSettled(done.map((group) => undo(group).catch(() => restore(group, undo))));
  throw failure.reason;
}

/** What cannot be undone at the server is undone here, and put in order when the partition is subscribed again. */
function restore({ partition, channels }: Group, undo: Step): void {
  for (const channel of channels) {
    if (undo === join) partition.channels.add(channel);
    else partition.channels.delete(channel);
  }
  partition.isStale = true;
}

async function join({ partition, channels }: Group): Promise<void> {
  await partition.settledPair().subscribe(partition.named(channels));
  for (const channel of channels) partition.channels.add(channel);
  partition.changes++;
}

async function leave({ partition, channels }: Group): Promise<void> {
  const pair = partition.settledPair();
  await pair.unsubscribe(partition.named(channels));
  for (const channel of channels) partition.channels.delete(channel);
  partition.changes++;
}
