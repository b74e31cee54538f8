/** Rooms with history when Redis fails: CLUSTER's table of failures, with two nodes in one process and fake sockets. */
import { Redis } from 'ioredis';
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { QUICK } from '../contracts/broker-link.contract.js';
import { LibraryMember } from '../support/clients/library-member.js';
import { type ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const ROOMS: RealtimeOptions = {
  rooms: { 'chat:*': { history: { size: 100, age: 60 } } },
  ...{ announceInterval: 0.1, nodeLostTime: 0.5, askTimeout: 0.5 },
};

const codeOf = (call: Promise<unknown>) => call.then(String, ({ code }: { code: string }) => code);
const isDegraded = ({ engine }: ClusterNode) => engine.node.stats().broker.isDegraded;
const isAway = (node: ClusterNode) => until('the node to be alone', () => isDegraded(node), Boolean);
const isBack = (node: ClusterNode) =>
  until(
    'the broker to be back',
    () => isDegraded(node),
    (is) => !is,
  );

describe('rooms with history, when Redis fails', () => {
  let redis: RedisProcess;
  let nodes: ClusterNodes;
  let [a, b]: ClusterNode[] = [];
  let ann: LibraryMember;

  const push = async (from: number, to: number) => {
    for (let n = from; n <= to; n++) await a!.server.to('chat:1').emit('n', n);
  };
  const command = async (...args: [string, ...string[]]) => {
    const client = new Redis(redis.url, { lazyConnect: true });
    await client.connect();
    await client.call(...args);
    client.disconnect();
  };

  beforeEach(async () => {
    redis = await RedisProcess.start();
    nodes = new ClusterNodes(redis.url);
    [a, b] = await Promise.all([nodes.start(ROOMS, undefined, QUICK), nodes.start(ROOMS, undefined, QUICK)]);
    ann = await new LibraryMember(nodes, { rooms: ['chat:1'] }).connect(b!);
    await push(1, 3);
    await ann.untilNumber(3);
  });
  afterEach(async () => {
    await nodes.stop();
    await redis.stop();
  });

  it('reject pushes while it is away, deliver volatile ones, and tell of the reset after its return', async () => {
    await redis.kill();
    await Promise.all([isAway(a!), isAway(b!)]);
    expect(await codeOf(a!.server.to('chat:1').emit('n', 4))).toBe('unavailable');
    await b!.server.to('chat:1').emit('live', 1, { volatile: true });
    await ann.until('the volatile push', ({ all }) => all.some(({ event }) => event === 'live'));
    // A client that comes meanwhile is not kept waiting, and is not told that it has everything
    const bob = await new LibraryMember(nodes, { rooms: ['chat:1'] }).connect(a!);
    expect(bob.told).toEqual(['rt:joined unavailable']);
    await redis.restart();
    await Promise.all([isBack(a!), isBack(b!)]);
    await ann.until('the reset', ({ told }) => told.includes('rt:gap reset'));
    await push(5, 6);
    await ann.untilNumber(6);
    await bob.untilNumber(6);
    expect([ann.numbers, ann.told]).toEqual([
      [1, 2, 3, 5, 6],
      ['rt:joined', 'rt:gap reset'],
    ]);
    const { all } = ann;
    const [live, gap] = ['live', 'rt:gap'].map((event) => all.findIndex((sent) => sent.event === event));
    expect([all[live!]!.position, live! < gap!]).toEqual([undefined, true]);
    expect(a!.engine.node.stats().history.rejected).toBe(1);
  });

  it('send what was missed after cuts of all connections once and in order, where a push is repeated with its key', async () => {
    /** Repeats a push until it is known to be kept; one that was kept already is not published again. */
    const keep = (n: number) =>
      until(
        `the push ${n}`,
        () => codeOf(a!.server.to('chat:1').emit('n', n, { key: `k${n}` })),
        (code) => !/^un/.test(code),
      );
    await Promise.all([command('CLIENT', 'KILL', 'TYPE', 'pubsub'), keep(4)]);
    for (let n = 5; n <= 12; n++) await keep(n);
    await Promise.all([command('CLIENT', 'KILL', 'TYPE', 'pubsub'), keep(13)]);
    for (let n = 14; n <= 20; n++) await keep(n);
    await ann.untilNumber(20);
    expect([ann.numbers, ann.told]).toEqual([Array.from({ length: 20 }, (_, index) => index + 1), ['rt:joined']]);
  });

  it('tell everyone of a FLUSHALL, and report no recovery to who comes back from before it', async () => {
    const before = await new LibraryMember(nodes, { rooms: ['chat:1'] }).connect(b!);
    before.cut();
    await command('FLUSHALL');
    await push(4, 5);
    // What is kept before the room is read again belongs to the gap
    await ann.until('the reset', ({ told }) => told.includes('rt:gap reset'));
    await push(6, 6);
    await ann.untilNumber(6);
    expect(ann.told).toEqual(['rt:joined', 'rt:gap reset']);
    await before.connect(a!);
    expect(before.told.at(-1)).toBe('rt:joined false reset');
    await push(7, 7);
    await Promise.all([before.untilNumber(7), ann.untilNumber(7)]);
  });

  it('read a room once for all of its members that come to another node', async () => {
    const members = await Promise.all(
      Array.from({ length: 50 }, () => new LibraryMember(nodes, { rooms: ['chat:1'] }).connect(b!)),
    );
    const { reads } = a!.engine.node.stats().history;
    for (const member of members) member.cut();
    await push(4, 8);
    await Promise.all(members.map((member) => member.connect(a!)));
    const after = a!.engine.node.stats().history;
    expect([after.reads - reads, after.recovered]).toEqual([1, 50]);
    expect(members.every(({ numbers }) => numbers.join() === '4,5,6,7,8')).toBe(true);
  });

  it('reject a push that has no place in its memory, and say so', async () => {
    await command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await codeOf(a!.server.to('chat:1').emit('n', 4))).toBe('refused');
    await command('CONFIG', 'SET', 'maxmemory', '0');
    await push(5, 5);
    await ann.untilNumber(5);
    expect([ann.numbers, ann.told]).toEqual([[1, 2, 3, 5], ['rt:joined']]);
  });
});
