/** What else starts workers: the Nest CLI, which compiles first, and pm2, which has a primary of its own. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { environment } from '../support/apps/child-app.js';
import { installPm2 } from '../support/apps/pm2.js';
import { isRunning, onEach, WorkerGroup } from '../support/apps/worker-group.js';
import { within } from '../support/process-guard.js';

jest.setTimeout(180_000);

const WORKER_APP = fileURLToPath(new URL('../fixtures/worker-app.mjs', import.meta.url));
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

let folder: string;
let group: WorkerGroup;
// It is installed while the tests of the Nest CLI run
const pm2 = installPm2();
pm2.catch(() => {});

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'workers-cli-'))));
afterEach(async () => {
  await group.kill();
  rmSync(folder, { recursive: true });
});

const ended = async () => {
  await within(60_000, 'the end of what has started the workers', group.exited);
  expect(group.pids.filter(isRunning)).toEqual([]);
};

describe('the Nest CLI', () => {
  const main = (version: number) => `
    import 'reflect-metadata';
    import { Module } from '@nestjs/common';
    import { NestFactory } from '@nestjs/core';
    import { RealtimeModule } from 'nestjs-realtime';
    @Module({ imports: [RealtimeModule.forRoot({ envFile: false })] })
    class AppModule {}
    console.log('main runs pid=' + process.pid);
    const app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    console.log('version ${version} listens');
  `;
  // Types are not what is tested, and they take most of the time
  const COMPILER = {
    ...{ module: 'nodenext', target: 'es2022', lib: ['es2022'], types: [], outDir: 'dist', rootDir: 'src' },
    ...{ experimentalDecorators: true, noCheck: true, noResolve: true },
  };

  const nestStart = (...args: readonly string[]) => {
    mkdirSync(join(folder, 'src'));
    symlinkSync(MODULES, join(folder, 'node_modules'));
    const files = {
      'package.json': JSON.stringify({ type: 'module' }),
      'nest-cli.json': JSON.stringify({ sourceRoot: 'src' }),
      'tsconfig.json': JSON.stringify({ compilerOptions: COMPILER, include: ['src'] }),
      'src/main.ts': main(1),
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const nest = join(MODULES, '@nestjs/cli/bin/nest.js');
    const env = environment({ REALTIME_WORKERS: '2', REALTIME_APP: `cli${process.pid}` });
    const all = [nest, 'start', ...args, '--exec', 'node --import nestjs-realtime/workers'];
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    return new WorkerGroup(spawn(process.execPath, all, { cwd: folder, stdio: [...stdio], env, detached: true }));
  };

  /** Ctrl-C: the terminal signals the whole group. */
  const interrupt = () => process.kill(-group.process.pid!, 'SIGINT');

  it('nest start --exec with the preload runs the workers, and Ctrl-C ends them', async () => {
    group = nestStart();
    await group.said('version 1 listens', 2);
    expect(group.pids).toHaveLength(2);
    interrupt();
    await ended();
  });

  it('nest start --watch --exec runs the workers, starts all of them again after a change, and Ctrl-C ends them', async () => {
    group = nestStart('--watch');
    await group.said('version 1 listens', 2);
    const first = group.pids;
    writeFileSync(join(folder, 'src/main.ts'), main(2));
    await group.said('version 2 listens', 2);
    expect([first.length, group.pids.length, first.filter(isRunning)]).toEqual([2, 4, []]);
    interrupt();
    await ended();
  });
});

it('the cluster mode of pm2 runs workers that hear each other, also after pm2 reload', async () => {
  const bin = join(await pm2, 'bin');
  const times = { kill_timeout: 20_000, listen_timeout: 60_000 };
  const apps = [{ script: WORKER_APP, exec_mode: 'cluster', instances: 2, ...times }];
  writeFileSync(join(folder, 'ecosystem.config.json'), JSON.stringify({ apps }));
  const own = { PM2_HOME: folder, PM2_DISABLE_VERSION_CHECK: 'true' };
  group = await WorkerGroup.start({
    command: [process.execPath, join(bin, 'pm2-runtime'), 'start', join(folder, 'ecosystem.config.json')],
    env: { ...own, REALTIME_BROKER: 'workers', REALTIME_RECONNECT_SPREAD: '0.1' },
  });
  const heardByAll = async (text: string) => {
    const clients = await onEach(group, 2);
    clients[0]!.socket.send(text);
    for (const client of clients) await client.until(text);
    return clients;
  };
  const before = await heardByAll('hello');
  const first = group.pids;
  const reload = [join(bin, 'pm2'), 'reload', 'all'];
  await within(60_000, 'the reload', promisify(execFile)(process.execPath, reload, { env: environment(own) }));
  expect([group.pids.length, first.filter(isRunning)]).toEqual([4, []]);
  for (const client of before) {
    const { code, reason } = await client.closed();
    expect([code, reason]).toEqual([1001, expect.stringMatching(/retry-after-ms=\d+$/)]);
  }
  await heardByAll('again');
  group.signal('SIGTERM');
  await ended();
});
