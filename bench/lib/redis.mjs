/** A Redis process of a study: on a free port, without persistence. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './ports.mjs';

/** @throws Error when there is no redis-server (`npm run test:setup` installs it or says how), or when it does not run */
export async function startRedis() {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  process.on('exit', () => child.kill('SIGKILL'));
  const failed = new Promise((_, reject) => {
    child.on('error', () => reject(new Error('There is no redis-server; `npm run test:setup` installs it')));
    child.on('exit', (code, signal) => reject(new Error(`redis-server ended with ${code ?? signal}`)));
  });
  failed.catch(() => {});
  const commands = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null });
  commands.on('error', () => {});
  await Promise.race([commands.ping(), failed]);

  return {
    ...{ port, url: `redis://127.0.0.1:${port}`, commands },
    signal: (name) => child.kill(name),

    /** Waits until the connection with the most subscriptions has as many. */
    async subscribed(channels) {
      const most = (list) => Math.max(0, ...[...list.matchAll(/ sub=(\d+)/g)].map(([, count]) => Number(count)));
      while (most(await commands.client('LIST')) < channels) await sleep(2);
    },

    async end() {
      commands.disconnect();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
