/** SIGUSR2 to the primary: the workers are replaced one after the other, and clients notice as little as can be. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { WebSocket } from 'ws';
import { isRunning, SharedGroup, type WorkerGroup } from '../support/apps/worker-group.js';
import { until } from '../support/process-guard.js';

jest.setTimeout(240_000);

const SPREAD_MS = 300;
const QUICK = { REALTIME_RECONNECT_SPREAD: String(SPREAD_MS / 1000), REALTIME_LOG_LIFECYCLE: 'failures' };
const STAYING = 200;
const CONNECTS_PER_SECOND = 50;
const RELOADS = 3;

const folder = mkdtempSync(join(tmpdir(), 'workers-'));
const failing = join(folder, 'fail');
const pair = new SharedGroup({ env: QUICK });
const single = new SharedGroup({
  workers: 1,
  // The delay of a shutdown is for a load balancer, which notices nothing of a reload
  env: { ...QUICK, APP_HOOKS: '1', APP_FAIL_FILE: failing, REALTIME_SHUTDOWN_DELAY: '600' },
});

afterAll(async () => {
  await pair.kill();
  await single.kill();
  rmSync(folder, { recursive: true });
});

/** Asks for so many reloads, one during the other. @returns resolves when all are done */
async function reload(group: WorkerGroup, times = 1): Promise<void> {
  const before = group.lines('has reloaded the workers').length;
  const begun = group.lines('reloads the workers').length;
  group.signal('SIGUSR2');
  if (times > 1) {
    await group.said('reloads the workers', begun + 1);
    group.signal('SIGUSR2');
  }
  await group.said('has reloaded the workers', before + times);
}

/** A client that comes back after the time that the close reason says. */
class Staying {
  readonly closes: { code: number; waitMs: number }[] = [];
  /** The numbers of the pushes that it has heard, for each of its connections. */
  readonly heard: number[][] = [];
  failed = 0;
  isOpen = false;
  /** Called with each push that it hears, and when it is connected. */
  changed: () => void = () => {};
  private socket!: WebSocket;
  private isStopped = false;

  constructor(private readonly port: number) {}

  connect(): Promise<void> {
    const socket = (this.socket = new WebSocket(`ws://127.0.0.1:${this.port}/ws`));
    const heard: number[] = [];
    this.heard.push(heard);
    socket.on('message', (data: Buffer) => {
      const [, number] = /^push (\d+)/.exec(data.toString()) ?? [];
      if (number) heard.push(Number(number));
      if (number) this.changed();
    });
    return new Promise((resolve) => {
      socket.once('open', () => {
        this.isOpen = true;
        resolve();
        this.changed();
      });
      socket.once('error', () => this.failed++);
      socket.once('close', (code, reason) => this.closed(code, reason.toString()));
    });
  }

  get last(): number | undefined {
    return this.heard.at(-1)!.at(-1);
  }

  push(number: number): void {
    this.socket.send(`push ${number}`);
  }

  stop(): void {
    this.isStopped = true;
    this.socket.terminate();
  }

  private closed(code: number, reason: string): void {
    this.isOpen = false;
    if (this.isStopped) return;
    const waitMs = Number(/retry-after-ms=(\d+)/.exec(reason)?.[1]);
    this.closes.push({ code, waitMs });
    setTimeout(() => void this.connect(), waitMs || 0);
  }
}

/** A little later, so that the pushes leave the processors to the workers that boot. */
const PUSH_PAUSE_MS = 5;

/** Pushes the next number when the last one has come back, or it is connected again. */
function pushOn(publisher: Staying): { stop(): Promise<number> } {
  let number = 0;
  let isStopped = false;
  const push = () => {
    if (publisher.isOpen && !isStopped) publisher.push(++number);
  };
  publisher.changed = () => void setTimeout(push, PUSH_PAUSE_MS);
  push();
  return {
    async stop() {
      isStopped = true;
      await until('the publisher to be there', () => publisher.isOpen, Boolean, 20_000);
      publisher.push(++number);
      return number;
    },
  };
}

/** Connects, and leaves, so many times a second. */
function churn(port: number): { stop(): Promise<{ opened: number; failures: string[] }> } {
  const failures: string[] = [];
  const running: Promise<unknown>[] = [];
  let opened = 0;
  const timer = setInterval(() => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    running.push(
      new Promise<void>((resolve) => {
        socket.once('open', () => (opened++, socket.close(1000)));
        socket.once('error', ({ message }) => failures.push(message));
        socket.once('close', () => resolve());
      }),
    );
  }, 1000 / CONNECTS_PER_SECOND);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      return { opened, failures };
    },
  };
}

it(`${RELOADS} reloads refuse no connect, close each connection with 1012 and a time, and lose no push`, async () => {
  const group = await pair.running();
  const clients = Array.from({ length: STAYING }, () => new Staying(group.port));
  await Promise.all(clients.map((client) => client.connect()));
  const publisher = new Staying(group.port);
  await publisher.connect();
  const pushing = pushOn(publisher);
  const connects = churn(group.port);
  for (let round = 1; round <= RELOADS; round++) {
    const before = clients.map(({ closes }) => closes.length);
    await reload(group);
    await until(
      'all to be back',
      () => clients.filter(({ isOpen }) => isOpen).length,
      (open) => open === STAYING,
    );
    expect(clients.every(({ closes }, index) => closes.length > before[index]!)).toBe(true);
  }
  const { opened, failures } = await connects.stop();
  const last = await pushing.stop();
  const haveLast = () => clients.filter((client) => client.last === last).length;
  await until('the last push', haveLast, (count) => count === STAYING, 30_000);

  const closes = clients.flatMap((client) => client.closes);
  const waits = closes.map(({ waitMs }) => waitMs);
  expect([failures, clients.reduce((sum, { failed }) => sum + failed, 0), publisher.failed]).toEqual([[], 0, 0]);
  expect(opened).toBeGreaterThan(CONNECTS_PER_SECOND);
  expect(new Set(closes.map(({ code }) => code))).toEqual(new Set([1012]));
  expect(waits.every((waitMs) => waitMs >= 0 && waitMs < SPREAD_MS)).toBe(true);
  expect(new Set(waits).size).toBeGreaterThan(SPREAD_MS / 3);
  const delivered = [...new Set(clients.flatMap(({ heard }) => heard.flat()))].sort((one, other) => one - other);
  for (const { heard } of clients) for (const numbers of heard) expectWhole(numbers, delivered);
  expect(delivered.length).toBeGreaterThan(STAYING);
  publisher.stop();
  for (const client of clients) client.stop();
});

/** From the first push that a connection has heard to the last, it has heard all that anybody has, in their order. */
function expectWhole(numbers: readonly number[], delivered: readonly number[]): void {
  if (numbers.length === 0) return;
  const [first, last] = [numbers[0]!, numbers.at(-1)!];
  expect(numbers).toEqual(delivered.filter((number) => number >= first && number <= last));
}

it('SIGUSR2 to all processes of the service ends none of the workers', async () => {
  const group = await pair.running();
  const running = group.pids.filter(isRunning);
  for (const pid of running) process.kill(pid, 'SIGUSR2');
  const client = await group.connect();
  client.socket.send('hello');
  await client.until('hello');
  expect([running.length, running.map(isRunning)]).toEqual([2, [true, true]]);
  client.socket.terminate();
});

it('SIGTERM during a reload ends all of it', async () => {
  const group = await pair.running();
  const boots = group.pids.length;
  group.signal('SIGUSR2');
  await group.said('main runs pid=', boots + 1);
  group.signal('SIGTERM');
  expect(await group.exited).toEqual({ code: null, signal: 'SIGTERM' });
  await until(
    'the end of all workers',
    () => group.pids.filter(isRunning),
    (pids) => pids.length === 0,
  );
});

it('a reload lets requests finish, and ends kept connections with the worker', async () => {
  const group = await single.running();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const status = () =>
    new Promise<number>((resolve, reject) => {
      get({ port: group.port, host: '127.0.0.1', path: '/nothing', agent }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode!));
      }).once('error', reject);
    });
  expect(await status()).toBe(404);
  const old = group.pids.at(-1)!;
  await reload(group);
  expect([await status(), isRunning(old)]).toEqual([404, false]);
  agent.destroy();
});

it('a reload to an application that cannot boot stops, and the old worker goes on', async () => {
  const group = await single.running();
  const client = await group.connect();
  writeFileSync(failing, '');
  group.signal('SIGUSR2');
  await group.said(/stops the reload: the new worker 1\/1 has ended before it listened/);
  client.socket.send('still here');
  await client.until('still here');
  rmSync(failing);
  client.socket.terminate();
});

it('a second SIGUSR2 during a reload is followed by one more', async () => {
  const group = await single.running();
  const client = await group.connect();
  const boots = group.pids.length;
  await reload(group, 2);
  expect(group.pids).toHaveLength(boots + 2);
  expect((await client.closed()).code).toBe(1012);
});
