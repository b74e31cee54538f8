/**
 * Runs the packed client in every JavaScript runtime that npm has: this Node, Node 22 and 24, Bun and Deno. In each of
 * them one client per transport gets a numbered stream, whose server restarts in the middle: each number has to arrive
 * once and in order. Needs the npm registry and redis-server. A runtime that cannot be had is a failure with CI=true.
 *
 *   npm run check:runtimes
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import { RealtimeServer } from 'nestjs-realtime';
import { freePort } from '../bench/lib/ports.mjs';
import { startRedis } from '../bench/lib/redis.mjs';
import { installRuntimes } from './runtimes/installed.mjs';

const TRANSPORTS = ['websocket', 'sse', 'polling'];
const LAST = 60;
/** How long clients have to come, or to come back; and a whole run of one runtime. */
const PATIENCE_MS = 30_000;
const RUN_MS = 120_000;

const children = new Set();
const file = (name) => fileURLToPath(new URL(`runtimes/${name}.mjs`, import.meta.url));

/** Every child is ended with this process. */
function start(command, args, options) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  children.add(child);
  child.ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve));
  void child.ended.then(() => children.delete(child));
  return child;
}

async function startServer(port) {
  const child = start(process.execPath, [file('application')], { env: { ...process.env, PORT: String(port) } });
  const isUp = await Promise.race([
    once(child.stdout, 'data'),
    child.ended.then(() => false),
    sleep(PATIENCE_MS, false),
  ]);
  if (!isUp) throw new Error('The server does not start');
  return child;
}

async function stopServer(child) {
  child.kill('SIGTERM');
  await child.ended;
}

/** @returns what each client has seen, by transport */
async function runClients(folder, { path, args }, url) {
  const child = start(path, [...args, 'client.mjs', url, String(LAST)], { cwd: folder, timeout: RUN_MS });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  await child.ended;
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return new Map(lines.map((line) => JSON.parse(line)).map((seen) => [seen.transport, seen]));
}

/** @returns what is wrong, in one line; undefined when all is well */
function trouble(seen) {
  if (!seen) return `did not get the last number within ${RUN_MS / 1000} s`;
  const { numbers, gaps, ids, answer, error } = seen;
  if (error) return `closed: ${error}`;
  const wrong = numbers.findIndex((number, index) => number !== index + 1);
  if (wrong >= 0) return `got ${numbers[wrong]} after ${numbers[wrong - 1] ?? 'nothing'}, and the gaps [${gaps}]`;
  if (gaps.length > 0) return `got all numbers, and yet the gaps [${gaps}]`;
  if (new Set(ids).size !== 2) return `had ${new Set(ids).size} connections, not one before and one after the restart`;
  return answer === 21 ? undefined : `the half of 42 was answered with ${answer}`;
}

/** Pushes the numbers from a node of its own, so that some are pushed while the server is away. */
async function stream(port, clients) {
  const { AppModule, LOGGED, ROOM } = await import('./runtimes/application.mjs');
  const node = await NestFactory.createApplicationContext(AppModule, LOGGED);
  const room = node.get(RealtimeServer).to(ROOM);
  const push = async (from, to) => {
    for (let number = from; number <= to; number++) await room.emit('n', number);
  };
  const arrived = async () => {
    const deadline = Date.now() + PATIENCE_MS;
    while ((await room.count()) < clients && Date.now() < deadline) await sleep(50);
  };
  let server = await startServer(port);
  return {
    async run() {
      await arrived();
      await push(1, 20);
      await stopServer(server);
      await push(21, 40);
      server = await startServer(port);
      await arrived();
      await push(41, LAST);
    },
    async end() {
      await stopServer(server);
      await node.close();
    },
  };
}

function report(runtimes, results) {
  let failures = 0;
  for (const [index, { name, missing }] of runtimes.entries()) {
    if (missing) console.log(`${name.padEnd(14)} NOT TESTED, it could not be had: ${missing}`);
    if (missing) failures += process.env.CI === 'true' ? 1 : 0;
    for (const transport of missing ? [] : TRANSPORTS) {
      const wrong = trouble(results[index].get(transport));
      failures += wrong ? 1 : 0;
      console.log(`${name.padEnd(14)} ${transport.padEnd(10)} ${wrong ? `FAILED: ${wrong}` : 'ok'}`);
    }
  }
  return failures;
}

async function main(folder) {
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const runtimes = await installRuntimes(folder);
  copyFileSync(file('client'), join(folder, 'client.mjs'));
  const redis = await startRedis();
  const settings = { REALTIME_APP: 'runtimes', REALTIME_REDIS_URL: redis.url, REALTIME_RECONNECT_SPREAD: '0.5' };
  Object.assign(process.env, settings, { REALTIME_MAX_CONNECTIONS_PER_ADDRESS: '0' });
  const port = await freePort();
  const there = runtimes.filter(({ missing }) => !missing);
  const numbers = await stream(port, there.length * TRANSPORTS.length);
  const running = runtimes.map((each) =>
    each.missing ? undefined : runClients(folder, each, `http://127.0.0.1:${port}/ws`),
  );
  await numbers.run();
  const failures = report(runtimes, await Promise.all(running));
  await numbers.end();
  await redis.end();
  return failures;
}

const folder = mkdtempSync(join(tmpdir(), 'runtimes-'));
try {
  if ((await main(folder)) > 0) process.exitCode = 1;
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
