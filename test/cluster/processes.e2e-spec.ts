/** Nodes in processes of their own: one is killed, stopped or closed, Redis goes and comes, and a job has no clients. */
import type { BrokerStats, NodeInfo, Reached } from 'nestjs-realtime';
import { Child, ClusterApp } from '../support/apps/cluster-app.js';
import { AppClient } from '../support/clients/app-client.js';
import { TcpProxy } from '../support/clients/tcp-proxy.js';
import { until, within } from '../support/process-guard.js';
import { RedisProcess, startTls } from '../support/redis.js';

/** A twentieth of the defaults, so that a node is lost after 0.3 s. */
const QUICK = {
  REALTIME_ANNOUNCE_INTERVAL: '0.1',
  REALTIME_NODE_LOST_TIME: '0.3',
  REALTIME_PROBE_INTERVAL: '2',
  REALTIME_ASK_TIMEOUT: '0.5',
};

describe('nodes in processes of their own', () => {
  let redis: RedisProcess;
  let apps: ClusterApp[];
  let count = 0;
  let env: Record<string, string>;

  const start = async (extra: Readonly<Record<string, string>> = {}) => {
    const app = await ClusterApp.start({ ...env, ...extra });
    apps.push(app);
    return app;
  };
  const nodesOf = (app: ClusterApp) => app.call<NodeInfo[]>(['nodes']);
  const knows = (app: ClusterApp, ...others: ClusterApp[]) =>
    until(
      'the nodes that are known',
      async () => (await nodesOf(app)).map(({ id }) => id).sort(),
      (ids) =>
        ids.join() ===
        [app, ...others]
          .map(({ node }) => node)
          .sort()
          .join(),
    );
  const broker = async (app: ClusterApp) => (await app.call<{ broker: BrokerStats }>(['stats'])).broker;
  const isDegraded = (app: ClusterApp, wanted: boolean) =>
    until(
      'the state of the broker',
      async () => (await broker(app)).isDegraded,
      (is) => is === wanted,
    );

  beforeAll(async () => {
    redis = await RedisProcess.start();
  });
  beforeEach(() => {
    apps = [];
    env = { ...QUICK, REALTIME_REDIS_URL: redis.url, REALTIME_APP: `processes${++count}` };
  });
  afterEach(() => Promise.all(apps.map((app) => app.kill())));
  afterAll(() => redis.stop());

  it('know each other when they are ready, and that one has left as soon as it is closed', async () => {
    const [a, b] = [await start(), await start()];
    expect((await nodesOf(b)).map(({ id }) => id).sort()).toEqual([a.node, b.node].sort());
    expect(b.output).toContain(`broker       ${redis.url}, app ${env['REALTIME_APP']}; other nodes: 1`);
    const client = await AppClient.open(b, 'user=ann&room=room');
    b.signal('SIGTERM');
    expect(await client.closed()).toBe(1001);
    expect(await b.exited).toEqual({ code: null, signal: 'SIGTERM' });
    await knows(a);
    expect(a.lines('Realtime node ').map((line) => line.split('Realtime ')[1]!.split(' node=')[0])).toEqual([
      'node came',
      'node left',
    ]);
    expect(await a.call(['toUser', 'ann'], ['disconnect'])).toEqual({ missing: [] });
  });

  it('go on without one that is killed: it is lost in time, and what it may have missed is named', async () => {
    const [a, b] = [await start(), await start()];
    const ann = await AppClient.open(a, 'user=ann&room=room');
    const bob = await AppClient.open(b, 'user=bob&room=room');
    const [member] = await a.call<{ id: string }[]>(['toUser', 'bob'], ['members']);
    await b.kill();
    expect(await bob.closed()).toBe(1006);
    expect(await a.call(['to', 'room'], ['count'])).toBe(1);
    expect(await a.call(['to', 'room'], ['push', 'still here'])).toEqual({ missing: [] });
    await ann.until('still here');
    expect(await a.call<Reached>(['toUser', 'bob'], ['disconnect'])).toEqual({ missing: [b.node] });
    await knows(a);
    await expect(a.call(['exists', member!.id])).rejects.toMatchObject({ code: 'no_answer' });
    expect([a.lines('Realtime node lost'), await a.call(['to', 'room'], ['count', { exact: true }])]).toEqual([
      [expect.stringContaining(b.node)],
      1,
    ]);
    const again = await start();
    await knows(a, again);
    const back = await AppClient.open(again, 'user=bob&room=room');
    await a.call(['to', 'room'], ['push', 'to the new one']);
    for (const client of [ann, back]) await client.until('to the new one');
    expect(ann.texts).toEqual(['still here', 'to the new one']);
  });

  it('take one back that stood still: it gets what it missed, and is banned what was banned meanwhile', async () => {
    const [a, b] = [await start(), await start()];
    const bob = await AppClient.open(b, 'user=bob&room=room');
    const eve = await AppClient.open(b, 'user=eve&room=room');
    b.signal('SIGSTOP');
    await knows(a);
    for (const text of ['1', '2', '3']) expect(await a.call(['to', 'room'], ['push', text])).toEqual({ missing: [] });
    expect(await a.call<Reached>(['toUser', 'eve'], ['disconnect', 4500, 'banned'])).toEqual({ missing: [b.node] });
    b.signal('SIGCONT');
    await knows(a, b);
    await knows(b, a);
    expect(await eve.closed()).toBe(4500);
    await a.call(['to', 'room'], ['push', '4']);
    await bob.until('4');
    expect(bob.texts).toEqual(['1', '2', '3', '4']);
    expect([a.lines('Realtime node lost').length, a.lines('Realtime node came').length]).toEqual([1, 2]);
    expect([b.lines('Realtime node lost'), b.lines('Realtime broker')]).toEqual([[], []]);
  });

  it('live through a Redis that goes and comes: readiness names it, and turns down only where that is set', async () => {
    const proxy = await TcpProxy.start(redis.port);
    const url = { REALTIME_REDIS_URL: `redis://127.0.0.1:${proxy.port}` };
    const [a, b] = [await start(url), await start({ ...url, REALTIME_READY_WITHOUT_BROKER: 'false' })];
    expect(await a.ask('ready')).toMatchObject({ status: 'up', broker: 'ok' });
    const ann = await AppClient.open(a, 'user=ann&room=room');
    for (let round = 1; round <= 2; round++) {
      proxy.pause();
      proxy.cut();
      await Promise.all([isDegraded(a, true), isDegraded(b, true)]);
      expect(await a.ask('ready')).toMatchObject({ status: 'up', broker: 'degraded' });
      expect(await b.ask('ready')).toMatchObject({ status: 'down', broker: 'degraded' });
      await AppClient.open(a, 'user=new&room=room');
      expect(await a.call(['to', 'room'], ['push', `alone ${round}`])).toEqual({ missing: ['*'] });
      proxy.resume();
      await Promise.all([isDegraded(a, false), isDegraded(b, false), knows(a, b), knows(b, a)]);
      expect(await b.ask('ready')).toMatchObject({ status: 'up', broker: 'ok' });
      expect(await b.call(['to', 'room'], ['push', `together ${round}`])).toEqual({ missing: [] });
      await ann.until(`together ${round}`);
    }
    expect(ann.texts).toEqual(['alone 1', 'together 1', 'alone 2', 'together 2']);
    for (const app of [a, b]) {
      expect(app.lines('Realtime broker').map((line) => line.split('Realtime ')[1]!.split(/:| downMs/)[0])).toEqual(
        Array(2).fill(['broker is away', 'broker is back']).flat(),
      );
      app.signal('SIGTERM');
      expect(await app.exited).toEqual({ code: null, signal: 'SIGTERM' });
    }
    await proxy.stop();
  });

  it('start without Redis and say so at boot; one that requires it ends with a message that names it', async () => {
    const proxy = await TcpProxy.start(redis.port);
    const away = { REALTIME_REDIS_URL: `redis://ann:secret-word@127.0.0.1:${proxy.port}` };
    await proxy.stop();
    const alone = await start(away);
    expect(alone.output).toMatch(/broker +redis:\/\/127\.0\.0\.1:\d+, app \S+; AWAY: this node works alone/);
    const client = await AppClient.open(alone, 'user=ann&room=room');
    expect(await alone.call(['to', 'room'], ['push', 'alone'])).toEqual({ missing: ['*'] });
    await client.until('alone');
    const required = await start({ ...away, REALTIME_BROKER_REQUIRED: 'true' }).catch(({ message }: Error) => message);
    expect(required).toMatch(
      /OptionsError.*The broker is away \(redis:\/\/127.*ECONNREFUSED.*REALTIME_BROKER_REQUIRED/,
    );
    expect(required).not.toContain('secret-word');
    alone.signal('SIGTERM');
    expect(await alone.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(alone.lines('Realtime broker')).toHaveLength(1);
  });

  it('start alone and in time while Redis hangs, and work together when it goes on', async () => {
    redis.signal('SIGSTOP');
    const alone = await start();
    expect(alone.output).toMatch(/broker +redis:.*; AWAY: this node works alone/);
    const ann = await AppClient.open(alone, 'user=ann&room=room');
    expect(await alone.call(['to', 'room'], ['push', 'alone'])).toEqual({ missing: ['*'] });
    redis.signal('SIGCONT');
    await isDegraded(alone, false);
    const other = await start();
    expect(await other.call(['to', 'room'], ['push', 'together'])).toEqual({ missing: [] });
    await ann.until('together');
    redis.signal('SIGSTOP');
    other.signal('SIGTERM');
    expect(await within(10_000, 'a stop while Redis hangs', other.exited)).toEqual({ code: null, signal: 'SIGTERM' });
    redis.signal('SIGCONT');
    expect(ann.texts).toEqual(['alone', 'together']);
  });

  it('meet over TLS, and do not trust a certificate that they do not know', async () => {
    const { redis: secure, url, certificate } = await startTls();
    const trusted = { REALTIME_REDIS_URL: url, NODE_EXTRA_CA_CERTS: certificate };
    const [a, b] = [await start(trusted), await start(trusted)];
    expect((await nodesOf(b)).map(({ id }) => id).sort()).toEqual([a.node, b.node].sort());
    const ann = await AppClient.open(a, 'user=ann&room=room');
    await b.call(['to', 'room'], ['push', 'over TLS']);
    await ann.until('over TLS');
    const stranger = await start({ REALTIME_REDIS_URL: url });
    expect(stranger.output).toMatch(/broker is away.*self-signed certificate/);
    await Promise.all([a, b, stranger].map((app) => app.kill()));
    await secure.stop();
  });

  it('push and ask from a process without clients, which ends by itself when it is closed', async () => {
    const [a, b] = [await start(), await start()];
    const ann = await AppClient.open(a, 'user=ann&room=room');
    const bob = await AppClient.open(b, 'user=bob&room=room');
    const [{ id }] = await a.call<[{ id: string }]>(['toUser', 'bob'], ['members']);
    const job = Child.run('cluster-job', { ...env, JOB_CONNECTION: id });
    expect(await within(30_000, 'the job to end', job.exited)).toEqual({ code: 0, signal: null });
    const seen = JSON.parse(job.lines('SEEN ')[0]!.slice('SEEN '.length)) as { nodes: string[] };
    expect(seen).toMatchObject({ pushed: { missing: [] }, count: 2, users: ['ann'], sent: true });
    expect(seen.nodes).toEqual(expect.arrayContaining([a.node, b.node]));
    await bob.until('to one');
    expect([ann.texts, bob.texts]).toEqual([['from the job'], ['from the job', 'to one']]);
    expect(job.output).toContain('Realtime has no HTTP server here: pushes and questions go to the other nodes');
    await until(
      'the end of the job',
      () => a.lines('Realtime node left').length,
      (left) => left === 1,
    );
  });

  it('end at boot with a message that names the package, where ioredis is not installed', async () => {
    const hooks = `export async function resolve(name, context, next) {
      if (name !== 'ioredis') return next(name, context);
      throw Object.assign(new Error("Cannot find package 'ioredis'"), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
    const script = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const preload = `import { register } from 'node:module'; register(${JSON.stringify(script(hooks))});`;
    const job = Child.run('cluster-job', env, ['--import', script(preload)]);
    expect(await within(30_000, 'the job to end', job.exited)).toEqual({ code: 1, signal: null });
    expect(job.output).toMatch(/OptionsError.*needs the package ioredis, which is not installed: npm install ioredis/);
  });
});
