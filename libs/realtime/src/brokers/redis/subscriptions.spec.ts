import { LinkError } from '../../cluster/link.js';
import type { Pair } from './pair.js';
import { Partition } from './partition.js';
import { Subscriptions } from './subscriptions.js';

/** The part of a pair that subscribes: names with an `x` are refused. */
class FakePair {
  readonly live = new Set<string>();
  refusesAll = false;

  async subscribe(names: readonly string[]): Promise<void> {
    this.check(names);
    for (const name of names) this.live.add(name);
  }
  async unsubscribe(names: readonly string[]): Promise<void> {
    this.check(names);
    for (const name of names) this.live.delete(name);
  }
  private check(names: readonly string[]): void {
    if (this.refusesAll || names.some((name) => name.includes('x'))) throw new LinkError('refused', 'NOPERM');
  }
}

let pairs: FakePair[];
let partitions: Partition[];
let subscriptions: Subscriptions;
const live = () => pairs.map((pair) => [...pair.live].join());
const kept = () => partitions.map(({ channels }) => [...channels].join());

beforeEach(async () => {
  pairs = [new FakePair(), new FakePair()];
  partitions = pairs.map((_pair, number) => new Partition(number, `p${number}.`));
  for (const [number, partition] of partitions.entries()) await partition.moveTo(pairs[number] as unknown as Pair);
  subscriptions = new Subscriptions((channel) => partitions[Number(channel[0])]!);
});

it('subscribes each channel where its partition is', async () => {
  await subscriptions.subscribe(['0a', '1b', '0c']);
  expect([live(), kept()]).toEqual([
    ['p0.0a,p0.0c', 'p1.1b'],
    ['0a,0c', '1b'],
  ]);
});

it('undoes what was subscribed when another part of the call is refused, but not what was on before', async () => {
  await subscriptions.subscribe(['0a']);
  await expect(subscriptions.subscribe(['0a', '0b', '1x'])).rejects.toMatchObject({ code: 'refused' });
  expect([live(), kept()]).toEqual([
    ['p0.0a', ''],
    ['0a', ''],
  ]);
});

it('subscribes again what was unsubscribed when another part of the call is refused', async () => {
  await subscriptions.subscribe(['0a', '1b']);
  pairs[1]!.refusesAll = true;
  await expect(subscriptions.unsubscribe(['0a', '1b'])).rejects.toMatchObject({ code: 'refused' });
  expect([live(), kept()]).toEqual([
    ['p0.0a', 'p1.1b'],
    ['0a', '1b'],
  ]);
});

it('changes nothing while the channels of a partition have to be subscribed again', async () => {
  await subscriptions.subscribe(['0a']);
  partitions[0]!.isStale = true;
  await expect(subscriptions.unsubscribe(['0a'])).rejects.toMatchObject({ code: 'unavailable' });
  await expect(subscriptions.subscribe(['0b'])).rejects.toMatchObject({ code: 'unavailable' });
  expect(kept()).toEqual(['0a', '']);
});

it('subscribes all channels of a partition at its new server, those too that come meanwhile', async () => {
  await subscriptions.subscribe(['0a']);
  const target = new FakePair();
  const subscribe = target.subscribe.bind(target);
  let isFirst = true;
  target.subscribe = async (names) => {
    if (isFirst) await subscriptions.subscribe(['0late']);
    isFirst = false;
    await subscribe(names);
  };
  await partitions[0]!.moveTo(target as unknown as Pair);
  expect([...target.live]).toEqual(['p0.0a', 'p0.0late']);
});
