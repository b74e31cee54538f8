/** What a link does when Redis, or the way there, fails: real processes, and a TCP proxy that breaks things. */
import { Cluster, Redis } from 'ioredis';
import { Links, PATIENT, QUICK } from '../contracts/broker-link.contract.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { until } from '../support/process-guard.js';
import { clusterUrl, RedisProcess, startCluster, startSentinels } from '../support/redis.js';
import { SLOT_OF } from '../../libs/realtime/src/brokers/redis/slots.js';
import { partitionOf } from '../../libs/realtime/src/cluster/channel-names.js';
import type { ScriptedLink } from '../../libs/realtime/src/brokers/redis/script.js';
import type { Link } from '../../libs/realtime/src/cluster/link.js';
import type { LinkLog } from '../support/fakes/link-log.js';

const links = new Links();
const text = (value: string) => Buffer.from(value);

/** Publishes until the link has received it: the way there and back is whole. */
async function comesThrough(from: Link, to: LinkLog, channel: string, value: string): Promise<void> {
  const publish = () => from.publish(channel, text(value)).catch(() => {});
  await until(
    `${channel} ${value}`,
    async () => {
      await publish();
      return to.messages.includes(`${channel} ${value}`);
    },
    Boolean,
    20_000,
  );
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );

afterEach(() => links.stop());

describe('one Redis behind a proxy', () => {
  let redis: RedisProcess;
  let proxy: TcpProxy;
  let link: ScriptedLink;
  let log: LinkLog;

  const connect = async (times: Partial<typeof QUICK> = {}) => {
    ({ link, log } = await links.make({ at: `redis://127.0.0.1:${proxy.port}`, times: { ...QUICK, ...times } }));
    await link.subscribe(['r:a', 'r:b']);
  };

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.start(redis.port);
  });
  afterEach(async () => {
    await links.stop();
    await proxy.stop();
  });
  afterAll(() => redis.stop());

  it('reports a cut and a gap, and has subscribed everything again when it reports that it is up', async () => {
    await connect(PATIENT);
    proxy.cut();
    await log.reported('up', 'down', 'up', 'gap');
    expect([log.reasons, log.gaps]).toEqual([[expect.stringMatching(/closed|ECONNRESET/)], ['all']]);
    await link.publish('r:b', text('1'));
    expect(await log.received(1)).toEqual(['r:b 1']);
  });

  it('rejects what is under way when the connection is cut, and sends nothing while it is down', async () => {
    await connect(PATIENT);
    proxy.pause();
    const calls = [link.publish('r:a', text('1')), link.subscribe(['r:c']), link.unsubscribe(['r:b'])].map(codeOf);
    proxy.cut();
    expect(await Promise.all(calls)).toEqual(['unknown', 'unknown', 'unknown']);
    expect([link.isUp, link.size]).toEqual([false, 2]);
    expect(await codeOf(link.publish('r:a', text('2')))).toBe('unavailable');
    expect(await codeOf(link.subscribe(['r:c']))).toBe('unavailable');
    proxy.resume();
    await log.reported('up', 'down', 'up', 'gap');
    await link.publish('r:b', text('3'));
    expect(await log.received(1)).toEqual(['r:b 3']);
  });

  it('finds connections that are half open', async () => {
    await connect();
    proxy.halfOpen();
    await log.reported('up', 'down', 'up', 'gap');
    expect(log.reasons).toEqual(['what it published to itself did not come back within 0.5 s']);
    await comesThrough(link, log, 'r:a', 'again');
  });

  it('finds subscriptions that are dead while every command is answered', async () => {
    await connect();
    proxy.wedgeSubscribers();
    expect(await codeOf(link.publish('r:a', text('lost')))).toBe('done');
    await log.reported('up', 'down', 'up', 'gap');
    expect(log.reasons).toEqual(['what it published to itself did not come back within 0.5 s']);
    await comesThrough(link, log, 'r:a', 'again');
    expect(log.messages).not.toContain('r:a lost');
  });

  it('probes at once when a publish is not answered in time', async () => {
    await connect({ timeoutMs: 100, probeIntervalMs: 3_600_000 });
    proxy.halfOpen();
    expect(await codeOf(link.publish('r:a', text('1')))).toBe('unknown');
    await log.reported('up', 'down', 'up', 'gap');
  });

  it('rejects a publish that is late as unknown, and delivers it when it arrives', async () => {
    await connect({ timeoutMs: 100, probeIntervalMs: 3_600_000, probeTimeoutMs: 3_600_000 });
    proxy.delay(200);
    expect(await codeOf(link.publish('r:a', text('late')))).toBe('unknown');
    expect(await log.received(1)).toEqual(['r:a late']);
    expect([link.isUp, log.states]).toEqual([true, ['up']]);
  });

  it('finds a Redis that was stopped, and is up when it goes on', async () => {
    await connect();
    redis.signal('SIGSTOP');
    await log.reported('up', 'down');
    redis.signal('SIGCONT');
    await log.reported('up', 'down', 'up', 'gap');
    await comesThrough(link, log, 'r:a', 'again');
  });

  it('gives up a subscription that is not answered', async () => {
    await connect({ probeIntervalMs: 3_600_000 });
    proxy.wedgeSubscribers();
    expect(await codeOf(link.subscribe(['r:c']))).toBe('unknown');
    await log.reported('up', 'down', 'up', 'gap');
    expect(log.reasons).toEqual(['a subscription was not answered within 0.5 s']);
    await link.subscribe(['r:c']);
  });

  it('does not wait longer than for an answer to hear that everything has arrived, and works when it is back', async () => {
    await connect({ timeoutMs: 100, probeIntervalMs: 3_600_000 });
    proxy.wedgeSubscribers();
    expect(await codeOf(link.arrived('r:a'))).toBe('unknown');
    await log.reported('up', 'down', 'up', 'gap');
    expect(await codeOf(link.arrived('r:a'))).toBe('done');
    proxy.pause();
    proxy.cut();
    await log.reported('up', 'down', 'up', 'gap', 'down');
    expect(await codeOf(link.arrived('r:a'))).toBe('unavailable');
    proxy.resume();
  });

  it('starts without a Redis, says so, and is up as soon as there is one', async () => {
    proxy.pause();
    const { link: away, log: events } = await links.make({
      at: `redis://127.0.0.1:${proxy.port}`,
      times: { ...QUICK, timeoutMs: 100 },
    });
    expect([away.isUp, events.states, events.reasons]).toEqual([false, ['down'], [expect.any(String)]]);
    proxy.resume();
    await events.reported('down', 'up');
    await away.subscribe(['r:a']);
  });

  it('loses nobody when Redis cuts a subscriber that reads too slowly', async () => {
    await connect(PATIENT);
    const list = String(await redis.commands.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
    const [, id] = /\bid=(\d+)/.exec(list)!;
    await redis.commands.call('CLIENT', 'KILL', 'ID', id!);
    await log.reported('up', 'down', 'up', 'gap');
    expect(log.gaps).toEqual(['all']);
  });
});

describe('one Redis that is killed', () => {
  it('is reached again after a restart, with everything subscribed', async () => {
    const redis = await RedisProcess.start();
    const { link, log } = await links.make({ at: redis.url });
    const channels = Array.from({ length: 2000 }, (_, index) => `r:${index}`);
    await link.subscribe(channels);
    await redis.kill();
    await log.reported('up', 'down');
    expect(await codeOf(link.publish('r:1', text('1')))).toBe('unavailable');
    await redis.restart();
    await log.reported('up', 'down', 'up', 'gap');
    await Promise.all(channels.map((channel) => link.publish(channel, text('2'))));
    expect((await log.received(2000)).sort()).toEqual(channels.map((channel) => `${channel} 2`).sort());
    await links.stop();
    await redis.stop();
  });
});

describe('a Redis with users', () => {
  let redis: RedisProcess;
  const USER = 'ann-of-redis';
  const PASSWORD = 'pass@w/rd%';
  const at = (user: string, password: string) =>
    `redis://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`;

  beforeAll(async () => {
    redis = await RedisProcess.start([
      `user ${USER} on >${PASSWORD} &app:* +@all`,
      `user narrow on >${PASSWORD} &x:* +@all`,
    ]);
  });
  afterAll(() => redis.stop());

  it('is reached with a user name and a password, which are not in the name of the link', async () => {
    const { link, log } = await links.make({ at: at(USER, PASSWORD) });
    await link.subscribe(['r:a']);
    await link.publish('r:a', text('1'));
    expect(await log.received(1)).toEqual(['r:a 1']);
    expect(link.name).toBe(`redis://127.0.0.1:${redis.port}`);
  });

  it.each([
    ['a wrong password', 'ann-of-redis', 'wrong-password', /WRONGPASS/],
    ['rights for the channels of another application', 'narrow', PASSWORD, /NOPERM/],
  ])('reports %s without repeating it', async (_what, user, password, reason) => {
    const { link, log } = await links.make({ at: at(user, password) });
    expect([link.isUp, log.reasons]).toEqual([false, [expect.stringMatching(reason)]]);
    for (const secret of [user, password, PASSWORD]) expect(log.reasons.join()).not.toContain(secret);
  });

  it('subscribes none of the channels when one is refused', async () => {
    await redis.commands.acl('SETUSER', 'half', 'on', '>half-password', '+@all', '&app:r:ok*', '&app:probe:*');
    const { link, log } = await links.make({ at: at('half', 'half-password') });
    const error = await link.subscribe(['r:ok', 'r:no']).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'refused', message: expect.stringContaining('NOPERM') });
    expect([link.size, log.states]).toEqual([0, ['up']]);
    await link.subscribe(['r:ok']);
  });
});

describe('an instance of ioredis', () => {
  it('is used for its settings alone: it stays open, and its own subscriptions are its own', async () => {
    const redis = await RedisProcess.start();
    const passed = new Redis({ port: redis.port, host: '127.0.0.1', keyPrefix: 'mine:' });
    const { link, log } = await links.make({ at: passed as never });
    await link.subscribe(['r:a']);
    await link.publish('r:a', text('1'));
    expect(await log.received(1)).toEqual(['r:a 1']);
    await link.stop();
    expect([await passed.ping(), passed.mode]).toEqual(['PONG', 'normal']);
    passed.disconnect();
    await redis.stop();
  });
});

describe('Sentinel', () => {
  it('leads to the new master when the old one is killed', async () => {
    const trio = await startSentinels();
    const { link, log } = await links.make({ at: trio.url });
    await link.subscribe(['r:a']);
    await trio.master.kill();
    await log.reported('up', 'down', 'up', 'gap');
    await comesThrough(link, log, 'r:a', 'from the new master');
    expect(String(await trio.replica.commands.role())).toMatch(/^master/);
    await links.stop();
    await trio.stop();
  });
});

describe('a Cluster', () => {
  let nodes: RedisProcess[];
  let a: { link: Link; log: LinkLog };
  let b: { link: Link; log: LinkLog };
  const channels = Array.from({ length: 600 }, (_, index) => `r:${index}`);
  const slotOf = (channel: string) => SLOT_OF[partitionOf(channel)]!;

  beforeAll(async () => {
    nodes = await startCluster(['cluster-require-full-coverage no']);
  });
  beforeEach(async () => {
    [a, b] = await Promise.all([links.make({ at: clusterUrl(nodes) }), links.make({ at: clusterUrl(nodes) })]);
    await a.link.subscribe(channels);
  });
  afterEach(() => links.stop());
  afterAll(async () => {
    for (const node of nodes) await node.stop();
  });

  it('computes slots as Redis does', async () => {
    const asked = await Promise.all(
      [0, 1, 77, 127].map((p) => nodes[0]!.commands.call('CLUSTER', 'KEYSLOT', `{${p}}`)),
    );
    expect([0, 1, 77, 127].map((p) => SLOT_OF[p])).toEqual(asked);
  });

  it('is also reached by the settings of a Cluster of ioredis that is passed', async () => {
    const passed = new Cluster(nodes.map(({ port }) => ({ port, host: '127.0.0.1' })));
    await until(
      'the client',
      () => passed.status,
      (status) => status === 'ready',
    );
    const { link } = await links.make({ at: passed as never });
    await comesThrough(link, a.log, 'r:1', 'from the passed one');
    expect(passed.status).toBe('ready');
    passed.disconnect();
  });

  it('follows a slot that moves, without reporting that it is down, and keeps the order of messages', async () => {
    const slot = slotOf('r:0');
    const owners = await Promise.all(nodes.map(({ commands }) => commands.call('CLUSTER', 'MYID') as Promise<string>));
    const from = Math.floor((slot * 3) / 16384);
    const to = (from + 1) % 3;
    const published: Promise<unknown>[] = [];
    const publish = () => published.push(b.link.publish('r:0', text(String(published.length))));
    for (let i = 0; i < 100; i++) publish();
    await Promise.all(published);
    await nodes[to]!.commands.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', owners[from]!);
    await nodes[from]!.commands.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', owners[to]!);
    await nodes[to]!.commands.call('CLUSTER', 'SETSLOT', slot, 'NODE', owners[to]!);
    await nodes[from]!.commands.call('CLUSTER', 'SETSLOT', slot, 'NODE', owners[to]!);
    await until(
      'a gap',
      () => a.log.gaps.length,
      (count) => count > 0,
    );
    for (let i = 0; i < 100; i++) publish();
    await Promise.all(published);
    const numbers = (await a.log.received(200)).map((message) => Number(message.split(' ')[1]));
    expect(numbers).toEqual(published.map((_, index) => index));
    expect(a.log.gaps.flat()).toContain('r:0');
    expect([a.log.states.includes('down'), b.log.states.includes('down')]).toEqual([false, false]);
  });

  it('goes on with the other servers when one is killed, and comes back with all channels', async () => {
    const lost = nodes[2]!;
    const gone = channels.filter((channel) => slotOf(channel) >= (2 * 16384) / 3);
    const kept = channels.find((channel) => slotOf(channel) < 16384 / 3 - 1)!;
    await lost.kill();
    await until(
      'down',
      () => a.log.states.at(-1),
      (state) => state === 'down',
    );
    await comesThrough(b.link, a.log, kept, 'still here');
    expect(await codeOf(a.link.publish(gone[0]!, text('1')))).toBe('unavailable');
    await lost.restart();
    await until(
      'up',
      () => a.log.states.slice(-2).join(),
      (states) => states === 'up,gap',
    );
    for (const channel of [gone[0]!, gone.at(-1)!]) await comesThrough(b.link, a.log, channel, 'back');
    expect(a.log.gaps.at(-1)).toEqual(expect.arrayContaining(gone));
  });
});
