import type { ClientOptions, RedisClient } from './client.js';
import { checkClusterSupport, loadIoredis } from './client.js';
import { checkServer, isReplica } from './server-check.js';

const server = (info: () => Promise<string>) => ({ info }) as unknown as RedisClient;
const version = (text: string) => server(async () => `# Server\r\nredis_version:${text}\r\nredis_mode:x\r\n`);

it.each([
  ['6.2.0', false],
  ['7.0.15', false],
  ['7.0.0', true],
  ['10.1.0', true],
])('takes Redis %s, as a Cluster: %s', async (text, isCluster) => {
  await expect(checkServer(version(text), isCluster)).resolves.toBeUndefined();
});

it.each([
  ['6.0.16', false, 'Redis 6.0 is too old: 6.2 is the oldest version that works'],
  ['5.0.7', false, 'Redis 5.0 is too old: 6.2 is the oldest version that works'],
  ['6.2.7', true, 'Redis 6.2 is too old: 7.0 is the oldest version that works as a Cluster'],
])('refuses Redis %s, as a Cluster: %s', async (text, isCluster, message) => {
  await expect(checkServer(version(text), isCluster)).rejects.toMatchObject({ code: 'options', message });
});

it('takes a server that does not say its version', async () => {
  await expect(
    checkServer(
      server(() => Promise.reject(new Error('NOPERM'))),
      false,
    ),
  ).resolves.toBeUndefined();
});

it.each([
  [async () => ['slave', '10.0.0.1'], true],
  [async () => ['master', 0], false],
  [() => Promise.reject(new Error('NOPERM')), false],
])('recognises a replica by its role', async (role, is) => {
  expect(await isReplica({ role } as unknown as RedisClient)).toBe(is);
});

it('names the package when ioredis is not installed', async () => {
  const missing = Object.assign(new Error("Cannot find package 'ioredis'"), { code: 'ERR_MODULE_NOT_FOUND' });
  await expect(loadIoredis(() => Promise.reject(missing))).rejects.toMatchObject({
    code: 'options',
    message: 'The broker redis needs the package ioredis, which is not installed: npm install ioredis',
  });
  await expect(loadIoredis(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});

it('loads the ioredis that is installed, which can be used with a Cluster', async () => {
  const Redis = await loadIoredis();
  expect(() => checkClusterSupport(new Redis({ lazyConnect: true }))).not.toThrow();
});

it('refuses an ioredis before version 6 for a Cluster', () => {
  const client = { options: { lazyConnect: true } as ClientOptions } as RedisClient;
  expect(() => checkClusterSupport(client)).toThrow('A Redis Cluster needs ioredis 6 or later');
});
