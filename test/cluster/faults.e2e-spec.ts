/** What an application sees when Redis, or the way there, fails: CLUSTER rows without history, with nodes in one process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SLOT_OF } from '../../libs/realtime/src/brokers/redis/slots.js';
import { partitionOf } from '../../libs/realtime/src/cluster/channel-names.js';
import type { RealtimeOptions } from '../../libs/realtime/src/settings/options.js';
import { bootTable } from '../../libs/realtime/src/nest/boot-table.js';
import { PATIENT, QUICK } from '../contracts/broker-link.contract.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { type ClusterMember, type ClusterNode, ClusterNodes } from '../support/fakes/cluster-nodes.js';
import { until } from '../support/process-guard.js';
import { clusterUrl, RedisProcess, startCluster } from '../support/redis.js';

const ALONE = { missing: ['*'] };
const ALL = { missing: [] };

/** Short enough for a test, and long enough for a machine that is busy. */
const SETTINGS: RealtimeOptions = { announceInterval: 0.1, nodeLostTime: 0.5, askTimeout: 0.5 };

/** The lines of a node about its broker, without their details. */
const changes = ({ log }: ClusterNode) =>
  log.with('Realtime broker ').map((line) => line.replace(/[:=].*/, '').replace(/ (downMs|reason)$/, ''));

/** The first words of its warnings. */
const warnings = ({ log }: ClusterNode) => log.with('warn ').map((line) => line.replace(/[:=].*/, ''));

const AWAY = 'warn Realtime broker is away';
const BACK = 'log Realtime broker is back';

const isAway = (node: ClusterNode) => until('the node to be alone', () => degraded(node), Boolean);
const isBack = (node: ClusterNode) =>
  until(
    'the broker to be back',
    () => degraded(node),
    (is) => !is,
  );
const degraded = ({ engine }: ClusterNode) => engine.node.stats().broker.isDegraded;

/** Waits until a node knows exactly these others. */
const knows = (node: ClusterNode, ...others: ClusterNode[]) =>
  until(
    'the nodes that are known',
    () => node.engine.node.broker.nodes().map(({ id }) => id),
    (ids) =>
      ids.join() ===
      others
        .map(({ id }) => id)
        .sort()
        .join(),
  );

/** Pushes numbered texts to the room; each is sent when the one before it has settled. */
async function pushAll(node: ClusterNode, name: string, count: number) {
  const reached = [];
  for (let number = 1; number <= count; number++) reached.push(await node.server.to('room').push(`${name}${number}`));
  return reached;
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index + 1}`);

const codeOf = (call: Promise<unknown>) => call.then(String, ({ code }: { code: string }) => code);

describe('two nodes, each with its own way to one Redis', () => {
  let redis: RedisProcess;
  let proxies: TcpProxy[];
  let nodes: ClusterNodes;
  let [a, b]: ClusterNode[] = [];
  let [ann, bob]: ClusterMember[] = [];

  /** Starts two nodes with a member of `room` on each: ann on the first, bob on the second. */
  async function start(options: RealtimeOptions = {}, times = {}): Promise<void> {
    const each = proxies.map(({ port }) =>
      nodes.start({ ...SETTINGS, redisUrl: `redis://127.0.0.1:${port}`, ...options }, undefined, {
        ...QUICK,
        ...times,
      }),
    );
    [a, b] = await Promise.all(each);
    await Promise.all([knows(a!, b!), knows(b!, a!)]);
    ann = await nodes.open(a!, { userId: 'ann', rooms: ['room'] });
    bob = await nodes.open(b!, { userId: 'bob', rooms: ['room'] });
  }

  /** A push of each node reaches both members, as if nothing had happened. */
  async function isWhole(): Promise<void> {
    await Promise.all([isBack(a!), isBack(b!), knows(a!, b!), knows(b!, a!)]);
    expect([await a!.server.to('room').push('whole a'), await b!.server.to('room').push('whole b')]).toEqual([
      ALL,
      ALL,
    ]);
    for (const member of [ann!, bob!]) await member.until('whole b');
    expect([await a!.server.to('room').count({ exact: true }), await a!.server.exists(bob!.connection.id)]).toEqual([
      2,
      true,
    ]);
  }

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  beforeEach(async () => {
    proxies = [await TcpProxy.start(redis.port), await TcpProxy.start(redis.port)];
    nodes = new ClusterNodes(redis.url);
  });
  afterEach(async () => {
    await nodes.stop();
    for (const proxy of proxies) await proxy.stop();
  });
  afterAll(() => redis.stop());

  it('each go on alone while Redis is down, lose and repeat nothing for their own members, and find each other again', async () => {
    await start({}, PATIENT);
    await redis.kill();
    await Promise.all([isAway(a!), isAway(b!)]);
    expect(await pushAll(a!, 'a', 100)).toEqual(Array.from({ length: 100 }, () => ALONE));
    await pushAll(b!, 'b', 100);
    expect([ann!.texts, bob!.texts]).toEqual([numbered('a', 100), numbered('b', 100)]);
    await redis.restart();
    await isWhole();
    expect(ann!.texts).toEqual([...numbered('a', 100), 'whole a', 'whole b']);
    expect(bob!.texts).toEqual([...numbered('b', 100), 'whole a', 'whole b']);
    for (const node of [a!, b!]) expect(changes(node)).toEqual([AWAY, BACK]);
    expect(a!.engine.node.stats().broker).toMatchObject({ localOnly: 100, late: 0, gaps: 1 });
    expect(a!.log.with('Realtime node lost')).toEqual([]);
  });

  it('deliver what was under way when Redis is killed, once and in order', async () => {
    await start({}, PATIENT);
    const pushed = numbered('a', 1000).map((text) => a!.server.to('room').push(text));
    await redis.kill();
    const reached = await Promise.all(pushed);
    expect(ann!.texts).toEqual(numbered('a', 1000));
    expect(reached.every((each) => [ALL, ALONE].some((known) => each.missing.join() === known.missing.join()))).toBe(
      true,
    );
    expect(bob!.texts).toEqual(numbered('a', bob!.texts.length));
    await redis.restart();
    await isWhole();
    expect(ann!.texts).toHaveLength(1002);
  });

  it('answer, order and admit at once while Redis is down, and say that all others are missing', async () => {
    await start({ askTimeout: 20, brokerTimeout: 20 }, PATIENT);
    await redis.kill();
    await Promise.all([isAway(a!), isAway(b!)]);
    const { server, engine } = a!;
    const room = server.to('room');
    const { id } = bob!.connection;
    const startedAt = performance.now();
    for (let client = 0; client < 1000; client++)
      expect(engine.node.prepare('/ws', { userId: `u${client}`, rooms: [`r${client}`] })).toBeUndefined();
    await ann!.connection.join('other');
    expect([await room.count(), (await room.members()).missing, (await server.list()).missing]).toEqual([
      1,
      ['*'],
      ['*'],
    ]);
    expect(await codeOf(room.count({ exact: true }))).toBe('incomplete');
    expect([await room.join('more'), await room.leave('more'), (await server.clusterStats()).missing]).toEqual([
      ALONE,
      ALONE,
      ['*'],
    ]);
    const alone = [
      server.push(id, 'x'),
      server.exists(id),
      server.info(id),
      server.disconnect(id),
      server.bind(id, 'eve'),
    ];
    expect(await Promise.all(alone.map(codeOf))).toEqual(Array.from({ length: 5 }, () => 'no_answer'));
    // Nothing of this waits for a deadline of its own: the shortest of them is 20 seconds
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(bootTable(engine.node.settings, { gateways: [], elsewhere: [] }, engine.node.broker, () => '')).toContain(
      'AWAY: this node works alone until it is back',
    );
    expect(warnings(a!)).toEqual([AWAY]);
    await redis.restart();
    await isWhole();
    await b!.server.to('other').push('to a room that was joined meanwhile');
    await ann!.until('to a room that was joined meanwhile');
  });

  it('obey a ban that was given while one of them was cut off, when it is back', async () => {
    await start();
    proxies[0]!.pause();
    proxies[0]!.cut();
    await Promise.all([isAway(a!), knows(b!)]);
    expect(await b!.server.toUser('ann').disconnect(4500, 'banned')).toEqual({ missing: [a!.id] });
    expect(await b!.server.to('room').push('without a')).toEqual(ALL);
    expect([ann!.connection.isOpen, await codeOf(b!.server.exists(ann!.connection.id))]).toEqual([true, 'no_answer']);
    expect(b!.log.with('Realtime node lost')).toHaveLength(1);
    expect([changes(a!), changes(b!)]).toEqual([[AWAY], []]);
    proxies[0]!.resume();
    await until(
      'the ban',
      () => ann!.connection.isOpen,
      (is) => !is,
    );
    expect(ann!.socket.closeFrame).toMatchObject({ code: 4500, reason: 'banned' });
    expect([changes(a!), b!.log.with('Realtime node came')]).toEqual([[AWAY, BACK], Array(2).fill(expect.any(String))]);
    await knows(a!, b!);
    expect(await b!.server.toUser('ann').disconnect()).toEqual(ALL);
  });

  it('give a ban of the node that was alone to the others when it is back', async () => {
    await start();
    proxies[0]!.pause();
    proxies[0]!.cut();
    await isAway(a!);
    expect(await a!.server.toUser('bob').disconnect(4500, 'banned')).toEqual(ALONE);
    proxies[0]!.resume();
    await until(
      'the ban',
      () => bob!.connection.isOpen,
      (is) => !is,
    );
    expect(bob!.socket.closeFrame).toMatchObject({ code: 4500, reason: 'banned' });
  });

  it('name all others as missing when Redis goes while they are about to be met', async () => {
    await start({ askTimeout: 1, nodeLostTime: 0.3 });
    proxies[1]!.pause();
    await knows(a!);
    proxies[0]!.cut();
    await isAway(a!);
    await isBack(a!);
    // The other is subscribed, so that it is waited for
    const members = a!.server.to('room').members();
    proxies[0]!.pause();
    proxies[0]!.cut();
    expect((await members).missing).toEqual(['*']);
  });

  it('obey a ban that was given while one of them was deaf, and never report that alone as exact', async () => {
    await start({}, { probeIntervalMs: 1500, probeTimeoutMs: 1500 });
    proxies[0]!.wedgeSubscribers();
    expect(await b!.server.toUser('ann').disconnect(4500, 'banned')).toEqual({ missing: [a!.id] });
    while (changes(a!).length === 0) expect(['incomplete', 'too late']).toContain(await exactCount());
    await until(
      'the ban',
      () => ann!.connection.isOpen,
      (is) => !is,
    );
    expect([changes(a!), a!.log.with('Realtime node lost'), changes(b!)]).toEqual([[AWAY, BACK], [], []]);

    /** Asked while it is deaf; an answer that comes after the link has been repaired does not count. */
    async function exactCount() {
      const code = await codeOf(a!.server.to('room').count({ exact: true }));
      return changes(a!).length > 0 ? 'too late' : code;
    }
  });

  it('name a node that does not answer, and reject only where it alone has the answer', async () => {
    await start({ nodeLostTime: 60 }, { probeIntervalMs: 3_600_000, probeTimeoutMs: 3_600_000, timeoutMs: 3_600_000 });
    proxies[1]!.pause();
    const { id } = bob!.connection;
    const missing = [b!.id];
    const calls = [a!.server.push(id, 'late'), a!.server.exists(id), a!.server.info(id)];
    expect(await Promise.all(calls.map(codeOf))).toEqual(Array.from({ length: 3 }, () => 'no_answer'));
    expect([await a!.server.to('room').count(), (await a!.server.list()).missing]).toEqual([1, missing]);
    expect((await a!.server.to('room').members()).missing).toEqual(missing);
    expect(await a!.server.toUser('bob').join('late')).toEqual({ missing });
    expect(await a!.server.to('room').push('meanwhile')).toEqual(ALL);
    expect([ann!.texts, a!.engine.node.stats().broker.isDegraded]).toEqual([['meanwhile'], false]);
    proxies[1]!.resume();
    await until('the order', () => bob!.connection.rooms.has('late'), Boolean);
    await bob!.until('meanwhile');
    expect(bob!.texts.filter((text) => text === 'late')).toHaveLength(1);
  });

  it('deliver at the deadline while Redis is slow, drop the late copies, and count both', async () => {
    await start(
      { brokerTimeout: 0.5, nodeLostTime: 60 },
      { timeoutMs: 500, probeIntervalMs: 3_600_000, probeTimeoutMs: 3_600_000 },
    );
    proxies[0]!.delay(600);
    const reached = await Promise.all(numbered('a', 20).map((text) => a!.server.to('room').push(text)));
    expect(reached).toEqual(Array.from({ length: 20 }, () => ALONE));
    expect(ann!.texts).toEqual(numbered('a', 20));
    await bob!.until(20);
    await until(
      'the late copies',
      () => a!.engine.node.stats().broker.late,
      (late) => late === 20,
    );
    expect([ann!.texts, bob!.texts]).toEqual([numbered('a', 20), numbered('a', 20)]);
    expect(a!.engine.node.stats().broker).toMatchObject({ localOnly: 20, late: 20, isDegraded: false });

    await a!.engine.node.prepare('/ws', { rooms: ['first'] });
    expect(degraded(a!)).toBe(true);
    expect(a!.engine.node.prepare('/ws', { rooms: ['second'] })).toBeUndefined();
    proxies[0]!.delay(0);
    await until(
      'a subscription in time',
      async () => {
        await ann!.connection.join(`room ${performance.now()}`);
        return degraded(a!);
      },
      (is) => !is,
    );
    const slow = a!.log.with('Realtime broker').map((line) => line.split(':')[0]);
    expect(slow).toEqual(['warn Realtime broker is slow', 'log Realtime broker confirms subscriptions in time again']);
    await isWhole();
  });

  it.each(['wedgeSubscribers', 'halfOpen'] as const)(
    'notice %s, and neither lose nor repeat pushes to their own members',
    async (fault) => {
      await start({ brokerTimeout: 0.2 });
      proxies[0]![fault]();
      const pushed: string[] = [];
      while (!degraded(a!)) {
        pushed.push(`a${pushed.length}`);
        void a!.server.to('room').push(pushed.at(-1)!);
        await sleep(10);
      }
      await isWhole();
      expect(ann!.texts).toEqual([...pushed, 'whole a', 'whole b']);
      expect([changes(a!), changes(b!)]).toEqual([[AWAY, BACK], []]);
      expect(a!.engine.node.stats().broker.gaps).toBe(1);
    },
  );

  it('are away while their user has no right to the channels, say so, and come back with it', async () => {
    const password = 'pass-of-redis';
    await redis.commands.acl('SETUSER', 'app', 'on', `>${password}`, '+@all', '&*');
    await start({ redisUrl: `redis://app:${password}@127.0.0.1:${redis.port}` });
    await redis.commands.acl('SETUSER', 'app', 'resetchannels', '&other:*');
    await isAway(a!);
    await pushAll(a!, 'a', 10);
    expect(ann!.texts).toEqual(numbered('a', 10));
    await redis.commands.acl('SETUSER', 'app', 'resetchannels', '&*');
    await isWhole();
    expect([changes(a!), a!.log.lines.join().includes(password)]).toEqual([[AWAY, BACK], false]);
  });

  it('log a channel that their user has no right to, and go on with all others', async () => {
    await redis.commands.acl('SETUSER', 'half', 'on', '>half-password', '+@all', '&*:[^r]*', '&*:r:room');
    await start({ redisUrl: `redis://half:half-password@127.0.0.1:${redis.port}` });
    const eve = await nodes.open(a!, { rooms: ['rejected'] });
    expect(a!.log.with('subscription refused')[0]).toMatch(/channel=r:rejected error=.*NOPERM/);
    await a!.server.to('rejected').push('to its own');
    expect([eve.texts, degraded(a!)]).toEqual([['to its own'], false]);
    await isWhole();
  });
});

describe('a slow subscriber', () => {
  it('is cut by Redis, comes back with all its subscriptions, and counts the gap', async () => {
    const redis = await RedisProcess.start(['client-output-buffer-limit pubsub 1mb 1mb 0']);
    const proxy = await TcpProxy.start(redis.port);
    const nodes = new ClusterNodes(redis.url);
    const never = { probeIntervalMs: 3_600_000, probeTimeoutMs: 3_600_000 };
    const a = await nodes.start({ nodeLostTime: 60 }, undefined, never);
    const redisUrl = `redis://127.0.0.1:${proxy.port}`;
    const b = await nodes.start({ nodeLostTime: 60, redisUrl }, undefined, { ...QUICK, ...never });
    const bob = await nodes.open(b, { rooms: ['room'] });
    proxy.pause();
    const subscribers = async () =>
      String(await redis.commands.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
        .trim()
        .split('\n');
    const text = 'x'.repeat(500_000);
    while ((await subscribers()).length === 2) expect(await a.server.to('room').push(text)).toEqual(ALL);
    proxy.resume();
    await until(
      'the line',
      () => changes(b),
      (lines) => lines.length === 2,
    );
    await isBack(b);
    await a.server.to('room').push('afterwards');
    await bob.until('afterwards');
    expect([changes(a), changes(b), b.engine.node.stats().broker.gaps]).toEqual([[], [AWAY, BACK], 1]);
    await nodes.stop();
    await proxy.stop();
    await redis.stop();
  });
});

describe('a boot without Redis', () => {
  let redis: RedisProcess;
  let nodes: ClusterNodes;

  beforeEach(async () => {
    redis = await RedisProcess.start();
    nodes = new ClusterNodes(redis.url);
    await redis.kill();
  });
  afterEach(async () => {
    await nodes.stop();
    await redis.stop();
  });

  it('starts alone, says so once, and joins the others as soon as there is one', async () => {
    const [a, b] = [await nodes.start(SETTINGS, undefined, QUICK), await nodes.start(SETTINGS, undefined, QUICK)];
    const ann = await nodes.open(a, { rooms: ['room'] });
    const bob = await nodes.open(b, { rooms: ['room'] });
    expect(await a.server.to('room').push('alone')).toEqual(ALONE);
    await redis.restart();
    await Promise.all([isBack(a), isBack(b), knows(a, b), knows(b, a)]);
    expect(await a.server.to('room').push('together')).toEqual(ALL);
    await bob.until('together');
    expect([ann.texts, bob.texts]).toEqual([['alone', 'together'], ['together']]);
    for (const node of [a, b]) expect(changes(node)).toEqual([AWAY, BACK]);
  });

  it('fails where the broker is required, and says which one and why', async () => {
    await expect(nodes.start({ ...SETTINGS, brokerRequired: true }, undefined, QUICK)).rejects.toThrow(
      new RegExp(`redis://127.0.0.1:${redis.port}.*ECONNREFUSED.*REALTIME_BROKER_REQUIRED`),
    );
  });
});

describe('two nodes over a Redis Cluster of three', () => {
  let servers: RedisProcess[];
  let nodes: ClusterNodes;
  let [a, b]: ClusterNode[] = [];

  /** A room whose channel is on this server. */
  const roomOn = (server: number) =>
    Array.from({ length: 1000 }, (_, index) => `room${index}`).find(
      (room) => Math.floor((SLOT_OF[partitionOf(`r:${room}`)]! * 3) / 16384) === server,
    )!;

  beforeAll(async () => {
    servers = await startCluster(['cluster-require-full-coverage no']);
  });
  beforeEach(async () => {
    nodes = new ClusterNodes(clusterUrl(servers));
    [a, b] = await Promise.all([nodes.start(SETTINGS, undefined, QUICK), nodes.start(SETTINGS, undefined, QUICK)]);
  });
  afterEach(() => nodes.stop());
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  it('lose and repeat nothing for their own members when a server of the Cluster is lost, and when it is back', async () => {
    const rooms = [0, 1, 2].map(roomOn);
    const ann = await nodes.open(a!, { rooms });
    const bob = await nodes.open(b!, { rooms });
    const pushed: string[] = [];
    const push = () => {
      for (const room of rooms) {
        pushed.push(`${room} ${pushed.length}`);
        void a!.server.to(room).push(pushed.at(-1)!);
      }
    };
    push();
    await servers[1]!.kill();
    while (!degraded(a!)) {
      push();
      await sleep(10);
    }
    push();
    await servers[1]!.restart();
    while (degraded(a!) || degraded(b!)) {
      push();
      await sleep(10);
    }
    await Promise.all([knows(a!, b!), knows(b!, a!)]);
    for (const room of rooms) expect(await a!.server.to(room).push('whole')).toEqual(ALL);
    await until(
      'the last pushes',
      () => bob.texts.slice(-3).join(),
      (last) => last === 'whole,whole,whole',
    );
    for (const room of rooms) {
      const own = (texts: readonly string[]) => texts.filter((text) => text.startsWith(`${room} `));
      expect(own(ann.texts)).toEqual(own(pushed));
      expect(own(bob.texts)).toEqual(own(pushed).filter((text) => bob.texts.includes(text)));
    }
    for (const node of [a!, b!]) expect(changes(node)).toEqual([AWAY, BACK]);
  });

  it('lose and repeat nothing for their own members when a slot moves, without a line about it', async () => {
    const room = roomOn(2);
    const slot = SLOT_OF[partitionOf(`r:${room}`)]!;
    const [ann, bob] = [await nodes.open(a!, { rooms: [room] }), await nodes.open(b!, { rooms: [room] })];
    const owners = await Promise.all(
      servers.map(({ commands }) => commands.call('CLUSTER', 'MYID') as Promise<string>),
    );
    const pushes: Promise<unknown>[] = [];
    const push = () => pushes.push(a!.server.to(room).push(String(pushes.length)));
    push();
    const move = (server: number, ...step: string[]) =>
      servers[server]!.commands.call('CLUSTER', 'SETSLOT', slot, ...step);
    await move(0, 'IMPORTING', owners[2]!);
    push();
    await move(2, 'MIGRATING', owners[0]!);
    push();
    for (const server of [0, 2]) {
      await move(server, 'NODE', owners[0]!);
      push();
    }
    const gaps = () => [a!, b!].map(({ engine }) => engine.node.stats().broker.gaps);
    await until('the gaps', gaps, (counts) => counts.every(Boolean));
    push();
    await Promise.all(pushes);
    expect(ann.texts).toEqual(pushes.map((_, index) => String(index)));
    await bob.until(String(pushes.length - 1));
    expect([changes(a!), changes(b!)]).toEqual([[], []]);
  });
});
