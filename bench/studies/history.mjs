// What an append costs: at the node over a history in memory, and at the node and in Redis over a real one.
// REDIS_PORT=6379 node --expose-gc bench/studies/history.mjs
import { HISTORY_SCRIPTS } from '../../libs/realtime/dist/esm/brokers/redis/history-scripts.js';
import { MemoryHistory } from '../../libs/realtime/dist/esm/brokers/memory-history.js';
import { RedisHistory } from '../../libs/realtime/dist/esm/brokers/redis/redis-history.js';
import { redisLink } from '../../libs/realtime/dist/esm/brokers/redis/redis-link.js';

const bytes = Buffer.alloc(200, 'x');
const message = { size: bytes.length, bytes: () => bytes };
const rules = { size: 100, age: 3600 };
const round = (value) => value.toFixed(2);

async function memory() {
  const history = new MemoryHistory(() => {});
  for (let i = 0; i < 200_000; i++) await history.append(`r:${i % 100}`, message, rules);
  const began = process.cpuUsage();
  for (let i = 0; i < 500_000; i++) await history.append(`r:${i % 100}`, message, rules);
  const { user, system } = process.cpuUsage(began);
  console.log(`memory: ${round((user + system) / 500_000)} µs of CPU per append`);
  const empty = new MemoryHistory(() => {});
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  for (let i = 0; i < 10_000; i++) await empty.append(`r:room-${i}`, message, rules);
  globalThis.gc?.();
  const one = (process.memoryUsage().heapUsed - heap) / 10_000;
  for (let n = 0; n < 9; n++) for (let i = 0; i < 10_000; i++) await empty.append(`r:room-${i}`, message, rules);
  globalThis.gc?.();
  const ten = (process.memoryUsage().heapUsed - heap) / 10_000;
  console.log(`memory: ${Math.round(one)} bytes per room with 1 entry, ${Math.round(ten)} with 10 (shared message)`);
}

async function redis() {
  const at = `redis://127.0.0.1:${process.env.REDIS_PORT}`;
  const link = await redisLink({ at, app: 'bench', node: 'n', scripts: HISTORY_SCRIPTS });
  await link.start({ message() {}, up() {}, down() {}, gap() {} });
  const history = new RedisHistory(link);
  const { Redis } = await import('ioredis');
  const client = new Redis(Number(process.env.REDIS_PORT));
  for (const perTurn of [1, 8, 64]) {
    const turn = (i) =>
      Promise.all(Array.from({ length: perTurn }, (_, k) => history.append(`r:${(i + k) % 100}`, message, rules)));
    for (let i = 0; i < 2000; i += perTurn) await turn(i);
    await client.config('RESETSTAT');
    const began = process.cpuUsage();
    const count = 20_032;
    for (let i = 0; i < count; i += perTurn) await turn(i);
    const { user, system } = process.cpuUsage(began);
    const used = /cmdstat_evalsha:calls=\d+,usec=(\d+)/.exec(await client.info('commandstats'));
    console.log(
      `redis, ${perTurn} per turn: ${round((user + system) / count)} µs of CPU at the node, ${round(Number(used[1]) / count)} µs in Redis`,
    );
  }
  const before = Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
  for (let r = 0; r < 1000; r++)
    await Promise.all(
      Array.from({ length: 10 }, () =>
        history.append(`r:memory-${r}`, { size: 100, bytes: () => bytes.subarray(0, 100) }, rules),
      ),
    );
  const after = Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
  console.log(`redis: ${Math.round((after - before) / 1000)} bytes per room with 10 entries of 100 bytes`);
  client.disconnect();
  await link.stop();
}

await memory();
if (process.env.REDIS_PORT) await redis();
