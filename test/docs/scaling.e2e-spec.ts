/** docs/scaling.md: its programs push, its ACL is enough and no more, and its tables have what the code has. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { Redis } from 'ioredis';
import { type Identity, RealtimeModule, type RealtimeOptions, RealtimeSettings } from 'nestjs-realtime';
import { createTestApp, type TestApp, type TestClient } from 'nestjs-realtime/testing';
import ts from 'typescript';
import { SETTINGS } from '../../libs/realtime/src/settings/options.js';
import { brokerStats } from '../../libs/realtime/src/stats.js';
import { codeOf, proseOf, read, ROOT } from '../support/docs.js';
import { until } from '../support/process-guard.js';
import { clusterUrl, RedisProcess, startCluster } from '../support/redis.js';
import { toolPath } from '../support/tools.js';

const PAGE = 'docs/scaling.md';
const run = promisify(execFile);

@WebSocketGateway({ path: '/ws' })
class Everything {
  onHandshake(): Identity {
    return { userId: '7', rooms: ['chat'] };
  }
}

const started: TestApp[] = [];
const services: RedisProcess[] = [];

async function startApp(redisUrl: string, more: RealtimeOptions = {}): Promise<TestApp> {
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, app: 'shop', redisUrl, ...more })],
    providers: [Everything],
  })
  class AppModule {}
  const app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile());
  started.push(app);
  return app;
}

async function startRedis(): Promise<RedisProcess> {
  const redis = await RedisProcess.start();
  services.push(redis);
  return redis;
}

async function startRedisCluster(): Promise<RedisProcess[]> {
  const servers = await startCluster();
  services.push(...servers);
  return servers;
}

/** @returns a client, and the id of its connection */
async function connect(app: TestApp): Promise<{ client: TestClient; id: string }> {
  const client = await app.connect('/ws');
  return { client, id: [...app.server.connections.keys()].at(-1)! };
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((app) => app.close()));
  await Promise.all(services.splice(0).map((service) => service.stop()));
});

describe('push from other programs', () => {
  const [shell, clusterShell] = codeOf(PAGE, 'sh');
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'push-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs a program of the page as it stands, with the id of a connection as its argument. */
  async function push(interpreter: string, code: string, { port }: RedisProcess, id: string): Promise<void> {
    const file = join(folder, 'push');
    writeFileSync(file, code);
    const where = { REDIS_URL: `redis://127.0.0.1:${port}`, REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) };
    const { stderr } = await run(interpreter, [file, id], { env: { PATH: process.env['PATH'], ...where } });
    expect(stderr).toBe('');
  }

  async function received(client: TestClient): Promise<unknown[]> {
    return [await client.next(), await client.next(), await client.next(), await client.next()];
  }
  const wanted = [{ text: 'to a room' }, 'to a user', 'to everyone', 'to one connection'];
  const seen = (messages: unknown[]) =>
    messages.map((text, index) => (index === 0 ? (JSON.parse(text as string) as { data: unknown }).data : text));

  it.each([
    ['redis-cli', '/bin/sh', shell!],
    ['PHP', toolPath('php-redis'), codeOf(PAGE, 'php')[0]!],
    ['Python', toolPath('redis-py'), codeOf(PAGE, 'python')[0]!],
  ])('%s pushes to a room, a user, everyone and one connection', async (_name, interpreter, code) => {
    const redis = await startRedis();
    const { client, id } = await connect(await startApp(redis.url));
    await push(interpreter, code, redis, id);
    expect(seen(await received(client))).toEqual(wanted);
  });

  it('redis-cli pushes to a room, a user, everyone and one connection on a Cluster', async () => {
    const servers = await startRedisCluster();
    const { client, id } = await connect(await startApp(clusterUrl(servers)));
    await push('/bin/sh', clusterShell!, servers[0]!, id);
    // Each channel may be on another server, so there is no order among them
    const messages = (await received(client)).map(String);
    expect(messages.sort()).toEqual(
      ['{"event":"say","data":{"text":"to a room"}}', ...wanted.slice(1)].map(String).sort(),
    );
  });

  it('a process without clients pushes, asks and ends', async () => {
    const redis = await startRedis();
    const { client } = await connect(await startApp(redis.url));
    const here = mkdtempSync(join(ROOT, 'node_modules', '.scaling-'));
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    const [code] = codeOf(PAGE, 'ts').filter((each) => each.startsWith('// report.ts'));
    writeFileSync(join(here, 'package.json'), '{"type":"module"}');
    writeFileSync(join(here, 'report.js'), ts.transpileModule(code!, { compilerOptions: options }).outputText);
    writeFileSync(join(here, 'app.module.js'), APP_MODULE);
    const env = { PATH: process.env['PATH'], REALTIME_REDIS_URL: redis.url, REALTIME_APP: 'shop' };
    try {
      const { stdout, stderr } = await run(process.execPath, ['report.js'], { cwd: here, env, timeout: 60_000 });
      expect([stdout, stderr]).toEqual(['1 connections on 1 other nodes\n', '']);
    } finally {
      rmSync(here, { recursive: true });
    }
    expect(await client.next('report')).toEqual({ lines: 3 });
  });
});

const APP_MODULE = `import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { RealtimeModule } from 'nestjs-realtime';
export class AppModule {}
Module({ imports: [RealtimeModule.forRoot()] })(AppModule);
`;

describe('the ACL', () => {
  const rules = codeOf(PAGE, 'acl').map((line) => line.trim().split(' '));
  const as = (user: string, url: string) => url.replace('://', `://${user}:password@`);

  async function allow(servers: readonly RedisProcess[], ...lines: string[][]): Promise<void> {
    for (const { commands } of servers) for (const [command, ...line] of lines) await commands.call(command!, ...line);
  }

  /** Two nodes as the user of the page push, order and ask; what Redis refused them is in its log. */
  async function works(url: string, servers: readonly RedisProcess[]): Promise<void> {
    const [a, b] = [await startApp(as('shop', url)), await startApp(as('shop', url))];
    const { client, id } = await connect(b);
    expect(await a.server.to('chat').push('hi')).toEqual({ missing: [] });
    expect(await client.next()).toBe('hi');
    expect(await a.server.to('chat').join('other')).toEqual({ missing: [] });
    expect(await a.server.to('other').count({ exact: true })).toBe(1);
    expect(await a.server.to('other').leave('other')).toEqual({ missing: [] });
    expect(await a.server.push(id, 'only you')).toBe(true);
    // The subscription of the room that was left ends a second later
    const channels = async () => (await b.server.stats()).broker.channels;
    await until('the room to be unsubscribed', channels, (count) => count === 6);
    for (const { commands } of servers) expect(await commands.call('ACL', 'LOG')).toEqual([]);
  }

  it('the user of the ACL can do what a node does', async () => {
    const redis = await startRedis();
    await allow([redis], rules[0]!);
    await works(redis.url, [redis]);
  });

  it('the user of the ACL can do what a node does on a Cluster, with the commands for it', async () => {
    const servers = await startRedisCluster();
    await allow(servers, rules[0]!, rules[1]!);
    await works(clusterUrl(servers), servers);
  });

  it.each(['one server', 'a Cluster'])(
    'the user of the ACL can keep histories, with the commands for it: %s',
    async (kind) => {
      const servers = kind === 'a Cluster' ? await startRedisCluster() : [await startRedis()];
      await allow(servers, rules[0]!, ...(kind === 'a Cluster' ? [rules[1]!] : []), rules[2]!);
      const url = kind === 'a Cluster' ? clusterUrl(servers) : servers[0]!.url;
      const app = await startApp(as('shop', url), { rooms: { chat: { history: { size: 1, age: 60 } } } });
      const { client } = await connect(app);
      // The history has room for one: the second comes when the first has been read
      for (const text of ['one', 'two']) {
        await app.server.to('chat').push(text, { key: text });
        expect(await client.next()).toBe(text);
      }
      const { items } = await app.server.to('chat').history();
      expect(items.map(({ text }) => text)).toEqual(['two']);
      for (const { commands } of servers) expect(await commands.call('ACL', 'LOG')).toEqual([]);
    },
  );

  it.each([
    ['shop', 'publish shop:n:* x', 0],
    ['shop', 'publish other:r:chat x', 'NOPERM'],
    ['shop', 'get secret', 'NOPERM'],
    ['shop', 'flushall', 'NOPERM'],
    ['shop-push', 'publish shop:r:chat x', 0],
    ['shop-push', 'publish shop:n:* x', 'NOPERM'],
    ['shop-push', 'publish shop:* x', 'NOPERM'],
    ['shop-push', 'subscribe shop:r:chat', 'NOPERM'],
  ])('the user %s gets for %j: %s', async (user, line, expected) => {
    const redis = await startRedis();
    await allow([redis], rules[0]!, rules[3]!);
    const client = new Redis(as(user, redis.url), { enableReadyCheck: false, protocol: 2 });
    const [command, ...words] = line.split(' ');
    const answer = await client.call(command!, ...words).catch((error: Error) => error.message.split(' ')[0]);
    client.disconnect();
    expect(answer).toBe(expected);
  });
});

it('docs/scaling.md turns it on with two settings', () => {
  const given = parseEnv(codeOf(PAGE, 'ini')[0]!);
  expect(Object.keys(given)).toHaveLength(2);
  expect(RealtimeSettings.from({ envFile: false }, given)).toMatchObject({ broker: 'redis', app: 'shop' });
});

it('docs/scaling.md has every field of stats().broker', () => {
  const rows = [...read(PAGE).matchAll(/^\| `(\w+)` +\|/gm)].map(([, field]) => field!);
  expect(rows.filter((field) => !field.startsWith('REALTIME_')).sort()).toEqual(Object.keys(brokerStats('x')).sort());
});

it.each(codeOf('docs/logging.md', 'text')[0]!.trim().split('\n'))(
  'the source writes the line %s of docs/logging.md',
  (line) => {
    const source = ['cluster/cluster-log', 'node/history-log', 'limits/line-rate']
      .map((file) => read(`libs/realtime/src/${file}.ts`))
      .join();
    const [words, ...fields] = line.replace(/"[^"]*"/g, '').split(/ (?=\w+=)/);
    expect(source).toContain(words);
    for (const field of fields) expect(source).toContain(` ${field.split('=')[0]}=`);
  },
);

it('docs/scaling.md names only settings that exist', () => {
  const known = new Set(Object.values(SETTINGS).map(({ env }) => env));
  const named = [...proseOf(PAGE).matchAll(/REALTIME_\w+/g)].map(([name]) => name);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});
