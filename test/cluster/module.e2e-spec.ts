/** The module in real Nest applications, as several nodes over one Redis. */
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { Redis } from 'ioredis';
import {
  type Connection,
  type HandshakeRequest,
  type Message,
  MessageError,
  OptionsError,
  RealtimeModule,
  type RealtimeOptions,
  RealtimeServer,
} from 'nestjs-realtime';
import { RealtimeHealthIndicator, RealtimeHealthModule } from 'nestjs-realtime/health';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';
import { RedisProcess } from '../support/redis.js';

@WebSocketGateway({ path: '/ws' })
class Chat {
  constructor(private readonly server: RealtimeServer) {}

  onHandshake({ headers }: HandshakeRequest) {
    return { userId: String(headers['x-user'] ?? 'ann'), rooms: ['lobby'] };
  }

  async onMessage(_connection: Connection, message: Message) {
    await this.server.to('lobby').push(message);
  }
}

@WebSocketGateway({ path: '/later' })
class Later {
  onAuthenticate(message: Message) {
    if (message.text() !== 'ann') throw new MessageError('unauthorized', 'who?');
    return { userId: 'ann', rooms: ['late'] };
  }
}

let redis: RedisProcess;
let apps: TestApp[];
let application = 0;

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(() => redis.stop());
beforeEach(() => {
  apps = [];
  application++;
});
afterEach(async () => {
  await Promise.all(apps.map((app) => app.close()));
});

const shared = (): RealtimeOptions => ({ envFile: false, redisUrl: redis.url, app: `module-${application}` });

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  async function start(options: RealtimeOptions = shared()): Promise<TestApp> {
    const imports = [RealtimeModule.forRoot(options), TerminusModule, RealtimeHealthModule];
    const moduleRef = await Test.createTestingModule({ imports, providers: [Chat, Later] }).compile();
    const app = await createTestApp(moduleRef, { adapter: adapter() });
    apps.push(app);
    return app;
  }

  it('passes what a client says to the clients of all nodes, in one order', async () => {
    const [a, b] = [await start(), await start()];
    const [ann, bob] = [await a.connect('/ws'), await b.connect('/ws', { headers: { 'x-user': 'bob' } })];
    for (const [index, client] of [ann, bob, ann].entries()) client.send(`m${index}`);
    const heard = async (client: typeof ann) => [await client.next(), await client.next(), await client.next()];
    const [first, second] = [await heard(ann), await heard(bob)];
    expect(first).toEqual(second);
    expect([...first].sort()).toEqual(['m0', 'm1', 'm2']);
  });

  it('subscribes for a client before its first message is answered, also with onAuthenticate', async () => {
    const [a, b] = [await start(), await start()];
    const client = await a.connect('/later');
    client.send('ann');
    await until(
      'a member',
      () => b.server.to('late').count(),
      (count) => count === 1,
    );
    await b.server.to('late').push('welcome');
    expect(await client.next()).toBe('welcome');
  });

  it('keeps readiness up while the broker is away, and names it; a setting turns it down', async () => {
    const own = await RedisProcess.start();
    const [kept, strict] = [
      await start({ ...shared(), redisUrl: own.url }),
      await start({ ...shared(), redisUrl: own.url, readyWithoutBroker: false }),
    ];
    const ready = (app: TestApp) => app.app.get(RealtimeHealthIndicator).isReady('realtime')['realtime'];
    await until(
      'both to be up',
      () => strict.server.nodes().length,
      (count) => count === 2,
    );
    expect([ready(kept), ready(strict)]).toMatchObject([
      { status: 'up', broker: 'ok' },
      { status: 'up', broker: 'ok' },
    ]);
    await own.stop();
    await until('the broker to be away', async () => (await strict.server.stats()).broker.isDegraded, Boolean);
    await until('the broker to be away', async () => (await kept.server.stats()).broker.isDegraded, Boolean);
    expect([ready(kept), ready(strict)]).toMatchObject([
      { status: 'up', broker: 'degraded' },
      { status: 'down', broker: 'degraded' },
    ]);
  });
});

it('takes an instance of ioredis, which stays as it is', async () => {
  const instance = new Redis(redis.url);
  const { redisUrl: _url, ...rest } = shared();
  const context = async () => {
    const moduleRef = await Test.createTestingModule({
      imports: [RealtimeModule.forRoot({ ...rest, redis: instance })],
      providers: [Chat],
    }).compile();
    const app = await createTestApp(moduleRef);
    apps.push(app);
    return app;
  };
  const [a, b] = [await context(), await context()];
  const client = await a.connect('/ws');
  await b.server.toUser('ann').push('hi');
  expect(await client.next()).toBe('hi');
  expect(await instance.ping()).toBe('PONG');
  await Promise.all(apps.splice(0).map((app) => app.close()));
  expect([instance.status, await instance.ping()]).toEqual(['ready', 'PONG']);
  instance.disconnect();
});

it('lets a process without an HTTP server push and ask, and end', async () => {
  const app = await createTestApp(
    await Test.createTestingModule({ imports: [RealtimeModule.forRoot(shared())], providers: [Chat] }).compile(),
  );
  apps.push(app);
  const client = await app.connect('/ws');
  @Module({ imports: [RealtimeModule.forRoot(shared())] })
  class Worker {}
  const worker = await NestFactory.createApplicationContext(Worker, { logger: false });
  const server = worker.get(RealtimeServer);
  expect(await server.toUser('ann').count({ exact: true })).toBe(1);
  expect(await server.toUser('ann').push('job done')).toEqual({ missing: [] });
  expect(await client.next()).toBe('job done');
  await worker.close();
  await until(
    'the worker to be gone',
    () => app.server.nodes().length,
    (count) => count === 1,
  );
});

it('does not start with a Redis that it cannot use, and says what to do', async () => {
  const boot = async (options: RealtimeOptions) =>
    createTestApp(await Test.createTestingModule({ imports: [RealtimeModule.forRoot(options)] }).compile());
  await expect(boot({ ...shared(), redisUrl: 'http://user:secret@host' })).rejects.toThrow(OptionsError);
  await expect(boot({ ...shared(), redisUrl: 'http://user:secret@host' })).rejects.not.toThrow('secret');
  const away = { ...shared(), redisUrl: 'redis://127.0.0.1:1', brokerRequired: true };
  await expect(boot(away)).rejects.toThrow('REALTIME_BROKER_REQUIRED');
});
