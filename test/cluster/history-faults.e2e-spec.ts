/** Rooms with history on two nodes, when what is between them and Redis fails, or Redis comes back older than it was. */
import type { LinkTimes } from '../../libs/realtime/src/cluster/link.js';
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { PATIENT, QUICK } from '../contracts/broker-link.contract.js';
import { LibraryMember } from '../support/clients/library-member.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { type ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

const OPTIONS: RealtimeOptions = {
  rooms: { 'chat:*': { history: { size: 100, age: 60 } } },
  ...{ announceInterval: 0.1, nodeLostTime: 2, askTimeout: 0.5, brokerTimeout: 2 },
};

const codeOf = (call: Promise<unknown>) => call.then(String, ({ code }: { code: string }) => code);
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

let redis: RedisProcess;
let proxies: TcpProxy[];
let nodes: ClusterNodes;
/** Pushes. */
let a: ClusterNode;
/** Has the member ann. */
let b: ClusterNode;
let ann: LibraryMember;

const push = async (from: number, to: number) => {
  for (let n = from; n <= to; n++) await a.server.to('chat:1').emit('n', n);
};
/** Repeats a push until it is known to be kept; one that was kept already is not published again. */
const keep = (n: number) =>
  until(
    `the push ${n}`,
    () => codeOf(a.server.to('chat:1').emit('n', n, { key: `k${n}` })),
    (code) => !/^un/.test(code),
  );
const member = (rooms = ['chat:1']) => new LibraryMember(nodes, { rooms });
const isAway = ({ engine }: ClusterNode, wanted: boolean) =>
  until(
    `the broker to be ${wanted ? 'away' : 'there'}`,
    () => engine.node.stats().broker.isDegraded,
    (is) => is === wanted,
  );

/** Starts the nodes of an application, with ann on one, who has three pushes. */
const begin = async (times: Partial<LinkTimes>) => {
  nodes = new ClusterNodes(redis.url);
  [a, b] = (await Promise.all(
    proxies.map(({ port }) => nodes.start({ ...OPTIONS, redisUrl: `redis://127.0.0.1:${port}` }, undefined, times)),
  )) as [ClusterNode, ClusterNode];
  ann = await member().connect(b);
  await push(1, 3);
  await ann.untilNumber(3);
};

beforeEach(async () => {
  redis = await RedisProcess.start();
  proxies = await Promise.all([TcpProxy.start(redis.port), TcpProxy.start(redis.port)]);
  await begin(PATIENT);
});
afterEach(async () => {
  await nodes.stop();
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await redis.stop();
});

it.each<[string, () => void]>([
  ['', () => {}],
  [', with 30 ms on the way', () => proxies.forEach((proxy) => proxy.delay(30))],
  // The answer to the read has what is still on its way over the subscription
  [', with messages that are slower than answers', () => proxies[0]!.lag({ commands: 20, messages: 60 })],
])('the first in a room gets what is pushed while the room is read%s', async (_name, slow) => {
  slow();
  for (const [index, publisher] of [a, b, a, b].entries()) {
    const room = publisher.server.to(`chat:new${index}`);
    const first = await nodes.open(a, { rooms: [`chat:new${index}`] });
    await Promise.all([room.push('1'), room.push('2'), room.push('live', { volatile: true })]);
    await first.until('live');
    await first.until('2');
    expect(first.texts.filter((text) => text !== 'live')).toEqual(['1', '2']);
  }
});

it('a failover to a replica that is behind is a reset for all who have what was lost, and for nobody else', async () => {
  const [old, ahead] = [await member().connect(b), await member().connect(b)];
  old.cut();
  await redis.commands.config('SET', 'repl-diskless-sync-delay', '0');
  const replica = await RedisProcess.start([`replicaof 127.0.0.1 ${redis.port}`]);
  try {
    await until(
      'the replica',
      () => redis.commands.call('WAIT', 1, 500),
      (count) => count === 1,
    );
    await replica.commands.call('REPLICAOF', 'NO', 'ONE');
    await push(4, 5);
    for (const one of [ann, ahead]) await one.untilNumber(5);
    ahead.cut();
    for (const proxy of proxies) proxy.retarget(replica.port);
    await redis.kill();
    await ann.until('the reset', ({ told }) => told.includes('rt:gap reset'));
    // As many as were lost, and one more: numbers alone would look whole
    for (const n of [6, 7, 8]) await keep(n);
    await ann.untilNumber(8);
    await Promise.all([ahead.connect(a), old.connect(a)]);
    expect([ann.numbers, ann.told]).toEqual([upTo(8), ['rt:joined', 'rt:gap reset']]);
    expect([ahead.numbers, ahead.told]).toEqual([
      [4, 5],
      ['rt:joined', 'rt:joined false reset'],
    ]);
    expect([old.numbers, old.told]).toEqual([
      [6, 7, 8],
      ['rt:joined', 'rt:joined true'],
    ]);
  } finally {
    await replica.stop();
  }
});

it.each(['wedgeSubscribers', 'halfOpen'] as const)(
  'a node whose link to Redis is %s delivers what was pushed meanwhile once and in order, and tells of nothing',
  async (fault) => {
    // Only a probe finds it
    await nodes.stop();
    await begin({ ...QUICK, probeTimeoutMs: 2000 });
    proxies[1]![fault]();
    await push(4, 30);
    await isAway(b, true);
    await isAway(b, false);
    await ann.untilNumber(30);
    await push(31, 32);
    await ann.untilNumber(32);
    expect([ann.numbers, ann.told]).toEqual([upTo(32), ['rt:joined']]);
    expect(b.engine.node.stats().broker.gaps).toBe(1);
  },
);

it('while Redis stands still pushes reject as unknown, nobody waits to join, and what it had taken comes once', async () => {
  redis.signal('SIGSTOP');
  const pushed = a.server.to('chat:1').emit('n', 4);
  expect(await codeOf(pushed)).toBe('unknown');
  const bob = await member().connect(a);
  expect(bob.told).toEqual(['rt:joined unavailable']);
  redis.signal('SIGCONT');
  await Promise.all([isAway(a, false), isAway(b, false)]);
  for (const n of [5, 6]) await keep(n);
  for (const one of [ann, bob]) await one.untilNumber(6);
  // Nobody knows whether Redis had taken it when the connection was cut: it comes in its place, or never
  const whole = ann.numbers.includes(4) ? upTo(6) : [1, 2, 3, 5, 6];
  expect([ann.numbers, ann.told]).toEqual([whole, ['rt:joined']]);
});

it('a node that is cut off from Redis refuses to promise anything, and has everything when it is back', async () => {
  const ahead = await member().connect(a);
  proxies[1]!.pause();
  proxies[1]!.cut();
  await isAway(b, true);
  await push(4, 6);
  await b.server.to('chat:1').emit('live', 1, { volatile: true });
  await ann.until('the volatile push', ({ all }) => all.some(({ event }) => event === 'live'));
  await ahead.untilNumber(6);
  ahead.cut();
  await ahead.connect(b);
  expect([ahead.told.at(-1), await codeOf(b.server.to('chat:1').emit('n', 0))]).toEqual([
    'rt:joined false unavailable',
    'unavailable',
  ]);
  proxies[1]!.resume();
  await isAway(b, false);
  await push(7, 8);
  await ann.untilNumber(8);
  expect([ann.numbers, ann.told]).toEqual([upTo(8), ['rt:joined']]);
});

describe('a Redis that is full', () => {
  const fill = async (policy: string) => {
    const used = Number(/used_memory:(\d+)/.exec(await redis.commands.info('memory'))![1]);
    await redis.commands.config('SET', 'maxmemory-policy', policy);
    await redis.commands.config('SET', 'maxmemory-samples', '64');
    await redis.commands.config('SET', 'maxmemory', String(used + 2_000_000));
  };

  it('and evicts a room tells its members, and everyone who comes back to it', async () => {
    const before = await member().connect(b);
    before.cut();
    await fill('allkeys-lru');
    const kept = () => redis.commands.keys('*:h:*');
    for (let i = 0; (await kept()).length > 0; i++) await redis.commands.set(`junk${i}`, 'x'.repeat(100_000));
    await redis.commands.config('SET', 'maxmemory', '0');
    await push(4, 4);
    // What a read finds of a room without a past is skipped: the client is told to read its state again
    await ann.until('the reset', ({ told }) => told.includes('rt:gap reset'));
    await push(5, 5);
    await ann.untilNumber(5);
    await before.connect(a);
    expect([ann.numbers, ann.told]).toEqual([
      [1, 2, 3, 5],
      ['rt:joined', 'rt:gap reset'],
    ]);
    expect([before.numbers, before.told]).toEqual([[], ['rt:joined', 'rt:joined false reset']]);
  });

  it('and evicts nothing refuses pushes and new rooms, keeps what it has, and goes on when it is not', async () => {
    await fill('noeviction');
    await redis.commands.config('SET', 'maxmemory', '1');
    expect(await codeOf(a.server.to('chat:1').emit('n', 0))).toBe('refused');
    const [back, fresh] = [await member().connect(b), await member(['chat:2']).connect(b)];
    expect([back.told, fresh.told]).toEqual([['rt:joined'], ['rt:joined unavailable']]);
    await redis.commands.config('SET', 'maxmemory', '0');
    await push(4, 4);
    for (const one of [ann, back]) await one.untilNumber(4);
    await a.server.to('chat:2').emit('n', 1);
    await fresh.untilNumber(1);
    expect([ann.numbers, ann.told, back.numbers]).toEqual([upTo(4), ['rt:joined'], [4]]);
  });
});
