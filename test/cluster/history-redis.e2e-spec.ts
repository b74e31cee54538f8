/** What a history in Redis does when Redis forgets, is full, moves slots, or holds what somebody else wrote. */
import { partitionOf } from '../../libs/realtime/src/cluster/channel-names.js';
import { parsePosition, positionText } from '../../libs/realtime/src/position.js';
import { SLOT_OF } from '../../libs/realtime/src/brokers/redis/slots.js';
import { messageOf, RULES } from '../contracts/history.contract.js';
import { RedisBench } from '../support/fakes/redis-bench.js';
import { until } from '../support/process-guard.js';
import { clusterUrl, RedisProcess, startCluster } from '../support/redis.js';

const LIST = 'app:h:l:r:a';
const POSITION = 'app:h:p:r:a';
const DAY = 86_400_000;

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

describe('one Redis', () => {
  let redis: RedisProcess;
  let bench: RedisBench;

  const append = (text: string, channel = 'r:a', rules = RULES) =>
    bench.history.append(channel, messageOf(text), rules);
  const read = (channel = 'r:a') => bench.history.read(channel, undefined, 300);
  const texts = async (channel?: string) => (await read(channel)).entries.map(({ message }) => message.bytes() + '');

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  beforeEach(async () => {
    await redis.commands.flushall();
    bench = await RedisBench.start(redis.url, []);
    await bench.subscribe(['r:a']);
  });
  afterEach(() => bench.stop());
  afterAll(() => redis.stop());

  it('keeps the entries for their age, and the position and the keys for their own time', async () => {
    await append('1', 'r:a', { ...RULES, key: 'k' });
    const left = async (key: string) => Math.ceil((await redis.commands.pttl(key)) / 60_000);
    expect(await left(LIST)).toBe(1);
    expect(await left(POSITION)).toBe(1 + DAY / 60_000);
    expect(await left('app:h:k:1:k:r:a')).toBe(5);
    expect(await redis.commands.dbsize()).toBe(3);
    await read('r:b');
    expect(await left('app:h:p:r:b')).toBe(DAY / 60_000);
  });

  it('renews positions that have less than a day left, when it is asked to', async () => {
    await append('1');
    await append('1', 'r:b');
    await redis.commands.pexpire('app:h:p:r:b', 60_000);
    const before = await redis.commands.pttl(POSITION);
    await bench.history.top(['r:a', 'r:b', 'r:c'], true);
    expect(await redis.commands.pttl(POSITION)).toBeGreaterThan(before - 10_000);
    expect(await redis.commands.pttl('app:h:p:r:b')).toBeGreaterThan(DAY - 10_000);
    await redis.commands.pexpire('app:h:p:r:b', 60_000);
    await bench.history.top(['r:b']);
    expect(await redis.commands.pttl('app:h:p:r:b')).toBeLessThanOrEqual(60_000);
  });

  it('puts the appends of a turn into calls of 64, and of 256 KB', async () => {
    await redis.commands.config('RESETSTAT');
    await Promise.all(Array.from({ length: 130 }, (_, index) => append(String(index), `r:${index % 7}`)));
    const calls = async () => /cmdstat_evalsha:calls=(\d+)/.exec(await redis.commands.info('commandstats'))![1];
    expect(await calls()).toBe('3');
    await redis.commands.config('RESETSTAT');
    await Promise.all(Array.from({ length: 5 }, () => append('x'.repeat(100_000))));
    expect(await calls()).toBe('2');
  });

  it('sends the appends of this turn before a publish, once they were flushed', async () => {
    const appended = append('1');
    bench.history.flush('r:a');
    const published = bench.link.publish('r:a', Buffer.from('2'));
    await Promise.all([appended, published]);
    const arrived = await bench.log.received(2);
    expect(arrived.map((text) => text.at(-1))).toEqual(['1', '2']);
    bench.history.flush('r:a');
  });

  it('refuses an entry when memory is full, with nothing kept or published, and goes on when it is not', async () => {
    await append('1');
    await redis.commands.config('SET', 'maxmemory', '1');
    expect(await codeOf(append('2', 'r:a', { ...RULES, key: 'k' }))).toMatch(/^refused: Redis refused: .*OOM/);
    expect(await codeOf(read('r:new'))).toMatch(/^refused: Redis refused: .*OOM/);
    expect(await texts()).toEqual(['1']);
    await redis.commands.config('SET', 'maxmemory', '0');
    const { position, repeated } = await append('3', 'r:a', { ...RULES, key: 'k' });
    expect([position.n, repeated, await texts()]).toEqual([2, false, ['1', '3']]);
    expect((await bench.delivered(2)).map((text) => text.at(-1))).toEqual(['1', '3']);
  });

  it('refuses only the entry whose key is something else, not the others of the call', async () => {
    await redis.commands.set('app:h:l:r:list', 'mine');
    await redis.commands.rpush('app:h:p:r:position', 'mine');
    await redis.commands.rpush('app:h:k:1:k:r:key', 'mine');
    const calls = [append('1', 'r:list'), append('1', 'r:position'), append('1', 'r:key', { ...RULES, key: 'k' })].map(
      codeOf,
    );
    const good = append('1');
    for (const code of await Promise.all(calls)) expect(code).toMatch(/^refused: Redis refused: .*WRONGTYPE/);
    expect((await good).position.n).toBe(1);
    expect(await redis.commands.exists('app:h:p:r:list', 'app:h:l:r:position', 'app:h:l:r:key')).toBe(0);
    expect(await codeOf(read('r:list'))).toBe('done');
    expect(await codeOf(read('r:position'))).toMatch(/^refused: .*WRONGTYPE/);
    expect(await bench.history.top(['r:position', 'r:a'])).toEqual([undefined, (await good).position]);
  });

  it('begins a room again when its position was evicted, and cuts the list to the new entry', async () => {
    for (const text of ['1', '2']) await append(text);
    await redis.commands.del(POSITION);
    const created = await read();
    expect([created.top.n, created.entries]).toEqual([0, []]);
    const { position, previous } = await append('3');
    expect([position.n, previous, await texts()]).toEqual([1, created.top, ['3']]);
    await redis.commands.del(POSITION);
    expect((await append('4')).position.n).toBe(1);
    expect(await texts()).toEqual(['4']);
  });

  it('goes on from its position when the list was evicted', async () => {
    const { position } = await append('1');
    await redis.commands.del(LIST);
    expect(await read()).toEqual({ top: position, base: position, entries: [] });
    expect((await append('2')).previous).toEqual(position);
    expect(await texts()).toEqual(['2']);
  });

  it('shows by its tags that the store came back older than it was', async () => {
    await append('1');
    const saved = await Promise.all([LIST, POSITION].map((key) => redis.commands.dumpBuffer(key)));
    const lost = await append('2');
    for (const [index, key] of [LIST, POSITION].entries())
      await redis.commands.restore(key, 0, saved[index]!, 'REPLACE');
    const { position } = await append('3');
    expect([position.n, position.tag === lost.position.tag]).toEqual([lost.position.n, false]);
    expect((await read()).entries.map(({ position: { n, tag } }) => positionText({ n, tag }))).toContain(
      positionText(position),
    );
  });

  it('returns nothing of a list that came back without its position', async () => {
    await append('1');
    const saved = await redis.commands.dumpBuffer(LIST);
    const { position } = await append('2');
    await redis.commands.restore(LIST, 0, saved, 'REPLACE');
    expect(await read()).toEqual({ top: position, base: position, entries: [] });
  });

  it.each([
    '',
    'x',
    '1',
    '1.',
    '-1.aaaaaa',
    '1.aaaaaaa',
    '1.aaa aa',
    '1e5.aaaaaa',
    '1234567890123456.aaaaaa',
    '999999999999999.aaaaaa',
  ])('begins a room again whose position is %j', async (text) => {
    await append('1');
    await redis.commands.set(POSITION, text);
    const { top, entries } = await read();
    expect([top.n, entries, parsePosition(positionText(top))]).toEqual([0, [], top]);
    await redis.commands.set(POSITION, text);
    expect((await append('2')).position.n).toBe(1);
    expect(await texts()).toEqual(['2']);
  });

  it('counts to the highest n exactly', async () => {
    await redis.commands.set(POSITION, '999999999999998.aaaaaa');
    const { position, previous } = await append('1');
    expect([position.n, previous]).toEqual([999_999_999_999_999, { n: 999_999_999_999_998, tag: 'aaaaaa' }]);
    const [entry] = await bench.delivered(1);
    expect(entry).toMatch(/^r:a 999999999999999\.[\w-]{6} aaaaaa 1$/);
  });

  it('returns only what follows without a hole of a list that others wrote to', async () => {
    for (const text of ['1', '2', '3', '4', '5']) await append(text, 'r:a', { ...RULES, size: 9 });
    for (const [index, junk] of ['{"text":"mine"}', '2.aaaaaa.bbbbbb x'].entries()) {
      await redis.commands.lset(LIST, index, junk);
      expect(await texts()).toEqual(['1', '2', '3', '4', '5'].slice(index + 1));
    }
    await redis.commands.lset(LIST, -1, 'junk');
    expect(await texts()).toEqual([]);
    const { position } = await append('6');
    expect([position.n, await texts()]).toEqual([6, ['6']]);
  });

  it('repeats what a Redis refuses that has forgotten the scripts, in order and once', async () => {
    await append('1');
    await redis.commands.script('FLUSH');
    const made = [append('2')];
    bench.history.flush('r:a');
    made.push(append('3'));
    expect((await Promise.all(made)).map(({ position }) => position.n)).toEqual([2, 3]);
    expect(await texts()).toEqual(['1', '2', '3']);
    expect(bench.log.states).toEqual(['up']);
  });

  it('has loaded the scripts when a connection is made again', async () => {
    await append('1');
    await redis.commands.script('FLUSH');
    await redis.commands.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await bench.log.reported('up', 'down', 'up', 'gap');
    await redis.commands.config('RESETSTAT');
    expect((await append('2')).position.n).toBe(2);
    expect(await redis.commands.info('commandstats')).not.toContain('cmdstat_eval:');
  });

  it('rejects an append as unknown when the connection is lost, and a key makes its repetition harmless', async () => {
    redis.signal('SIGSTOP');
    const call = codeOf(append('1', 'r:a', { ...RULES, key: 'k' }));
    bench.history.flush('r:a');
    await bench.log.reported('up', 'down');
    redis.signal('SIGCONT');
    expect(await call).toMatch(/^unknown: /);
    await until('the link', () => bench.link.isUp, Boolean);
    await append('2', 'r:a', { ...RULES, key: 'k' });
    expect(await redis.commands.llen(LIST)).toBe(1);
  });

  it('rejects everything as unavailable when nothing can be sent', async () => {
    await bench.link.stop();
    const calls = [append('1'), read(), bench.history.top(['r:a'])].map(codeOf);
    for (const code of await Promise.all(calls)) expect(code).toMatch(/^unavailable: /);
  });
});

describe('a Redis Cluster', () => {
  it('waits with the appends of a slot that moves, and takes them in order when it has moved', async () => {
    const nodes = await startCluster();
    const bench = await RedisBench.start(clusterUrl(nodes), nodes);
    const append = (text: string) => bench.history.append('r:a', messageOf(text), { size: 9, age: 60 });
    await append('1');
    const partition = partitionOf('r:a');
    const slot = SLOT_OF[partition]!;
    const owner = nodes.findIndex((_, index) => slot < Math.ceil(((index + 1) * 16384) / 3));
    const [from, to] = [nodes[owner]!, nodes[(owner + 1) % 3]!];
    const [fromId, toId] = await Promise.all([from, to].map(({ commands }) => commands.cluster('MYID')));
    await to.commands.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId as string);
    await from.commands.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId as string);
    const [list, position] = ['l', 'p'].map((kind) => `app:128:{${partition}}.h:${kind}:r:a`);
    await from.commands.call('MIGRATE', '127.0.0.1', to.port, position!, 0, 5000);
    const made = ['2', '3'].map(append);
    await until(
      'a refusal',
      async () => /errorstat_(TRYAGAIN|ASK)/.test(await from.commands.info('errorstats')),
      Boolean,
    );
    await from.commands.call('MIGRATE', '127.0.0.1', to.port, list!, 0, 5000);
    for (const { commands } of [to, from]) await commands.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId as string);
    expect((await Promise.all(made)).map(({ position: { n } }) => n)).toEqual([2, 3]);
    const { entries } = await bench.history.read('r:a', undefined, 300);
    expect(entries.map(({ message }) => message.bytes().toString())).toEqual(['1', '2', '3']);
    await bench.stop();
  });
});
