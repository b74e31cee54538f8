/** `node --import nestjs-realtime/workers main`: workers share the port and hear each other, and are replaced. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { type GroupOptions, onEach, SharedGroup, WorkerGroup } from '../support/apps/worker-group.js';
import { within } from '../support/process-guard.js';

jest.setTimeout(180_000);

const groups: WorkerGroup[] = [];
const launch = async (options?: GroupOptions) => {
  const group = await WorkerGroup.launch(options);
  groups.push(group);
  return group;
};
afterEach(() => Promise.all(groups.splice(0).map((group) => group.kill())));

const FORMS = [
  ['an ES module on Express', new SharedGroup({ main: 'worker-app.mjs' })],
  ['a CommonJS module on Fastify', new SharedGroup({ main: 'worker-app.cjs', env: { APP_PLATFORM: 'fastify' } })],
] as const;
const [[, shared]] = FORMS;
afterAll(() => Promise.all(FORMS.map(([, group]) => group.kill())));

const exit = (group: WorkerGroup) => within(60_000, 'the end of the primary', group.exited);

it.each(FORMS)('%s runs in workers alone, which share the port and hear each other', async (_name, form) => {
  const group = await form.running();
  const clients = await onEach(group, 2);
  clients[0]!.socket.send('hello');
  for (const client of clients) await client.until('hello');
  expect([group.pids.length, new Set(group.pids).has(group.process.pid!)]).toEqual([2, false]);
  for (const number of [1, 2]) {
    expect(group.output).toMatch(new RegExp(`\\[Realtime ${number}/2\\] Realtime is ready`));
    expect(group.output).toMatch(new RegExp(`worker +${number} of 2, pid \\d+`));
  }
  expect(group.output).toMatch(/broker +workers in \S+, app \S+; other nodes: [01]/);
});

it('a worker that crashes is replaced, with a pause that grows, and the others go on', async () => {
  const group = await shared.running();
  const boots = group.pids.length;
  const [one, other] = await onEach(group, 2);
  one!.socket.send('crash');
  expect((await one!.closed()).code).toBe(1006);
  await group.ready(boots + 1);
  const kept = await other!.pid();
  const both = await onEach(group, 2);
  const third = both[(await both[0]!.pid()) === kept ? 1 : 0];
  third!.socket.send('back');
  await other!.until('back');
  third!.socket.send('crash');
  await group.ready(boots + 2);
  const pauses = group.lines('replaces the worker').map((line) => line.replace(/.*replaces the worker \d/, ''));
  expect(pauses).toEqual(['/2 in 100 ms: it has ended with the code 7', '/2 in 200 ms: it has ended with the code 7']);
  expect(other!.close).toBeUndefined();
});

it('a worker that a signal ends is not replaced at once', async () => {
  const group = await shared.running();
  const boots = group.pids.length;
  const client = await group.connect();
  process.kill(await client.pid(), 'SIGKILL');
  await group.said('in 500 ms: it has ended by SIGKILL');
  await group.ready(boots + 1);
});

it.each(FORMS)('%s ends by the signal, once all workers have closed their clients with 1001', async (_name, form) => {
  const group = await form.running();
  const clients = await onEach(group, 2);
  group.signal('SIGTERM');
  for (const client of clients) expect((await client.closed()).code).toBe(1001);
  expect(await exit(group)).toEqual({ code: null, signal: 'SIGTERM' });
});

it('an application that cannot boot ends the primary with its message and the code 1', async () => {
  const group = await launch({ workers: 1, env: { APP_FAIL: '1' } });
  expect(await exit(group)).toEqual({ code: 1, signal: null });
  expect(group.output).toContain('main cannot boot');
  expect(group.output).toMatch(/ends: the worker 1\/1 has ended .* before it listened, 3 times in a row/);
});

it('a worker that has listened ends the primary not by its death, but by three deaths of its successors before they listen', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'workers-'));
  const file = join(folder, 'fail');
  const group = await launch({ workers: 1, env: { APP_FAIL_FILE: file } });
  await group.ready();
  const client = await group.connect();
  writeFileSync(file, '');
  process.kill(await client.pid(), 'SIGKILL');
  expect(await exit(group)).toEqual({ code: 1, signal: null });
  expect(existsSync(file)).toBe(true);
  rmSync(folder, { recursive: true });
});

it.each(['0', 'many', '1.5'])('REALTIME_WORKERS=%s ends it with a message that names the setting', async (value) => {
  const group = await launch({ env: { REALTIME_WORKERS: value } });
  expect(await exit(group)).toEqual({ code: 1, signal: null });
  expect(group.output).toMatch(
    new RegExp(
      `REALTIME_WORKERS: "?${value}"? is not allowed; expected auto, or a whole number of processes, 1 to 256`,
    ),
  );
});

it('the preload in NODE_OPTIONS, or in what a worker starts, does nothing', async () => {
  const script = `console.log('runs', process.pid); process.exit()`;
  const command = [process.execPath, '--input-type=module', '-e', script];
  const group = await launch({ command, env: { NODE_OPTIONS: '--import nestjs-realtime/workers' } });
  expect(await exit(group)).toEqual({ code: 0, signal: null });
  expect(group.lines('runs')).toHaveLength(1);
});
