import cluster from 'node:cluster';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { defaultApp, defaultFolder } from './app-name.js';
import type { RealtimeOptions } from './options.js';
import { RealtimeSettings, settingOf } from './settings.js';
import { workerPlace } from './worker-place.js';

const PLACE = { NESTJS_REALTIME_WORKER: '2/4' };
const from = (options: RealtimeOptions = {}, environment = {}) =>
  RealtimeSettings.from({ envFile: false, ...options }, environment);

/** This process is a worker of node:cluster. */
function beWorker(): void {
  jest.replaceProperty(cluster, 'isWorker', true);
}

afterEach(() => jest.restoreAllMocks());

describe('the broker of workers', () => {
  it('is the default in a worker that nestjs-realtime/workers has started, and nowhere else', () => {
    expect(from({}, PLACE).broker).toBe('memory');
    beWorker();
    expect([from().broker, from({}, PLACE).broker, from({}, PLACE).sourceOf('broker')]).toEqual([
      ...['memory', 'workers', 'derived'],
    ]);
  });

  it('is not chosen where Redis is given, or another one is named', () => {
    beWorker();
    const redis = { ...PLACE, REALTIME_REDIS_URL: 'redis://a', REALTIME_APP: 'shop' };
    expect([from({}, redis).broker, from({ broker: 'memory' }, PLACE).broker]).toEqual(['redis', 'memory']);
  });

  it('takes its name from the main script, and its folder from the name', () => {
    const { app, workersFolder } = from({ broker: 'workers' });
    expect([app, app.length]).toEqual([defaultApp(process.argv[1]), 12]);
    expect(workersFolder).toBe(join(tmpdir(), `realtime-${process.geteuid!()}-${app}`));
    expect(defaultApp('/a/main.js')).not.toBe(defaultApp('/b/main.js'));
    expect(from({ broker: 'workers', app: 'shop' }).workersFolder).toBe(defaultFolder('shop'));
    expect(defaultFolder('x'.repeat(64)).length).toBeLessThanOrEqual(80);
  });

  it.each([
    [{ rooms: { 'chat:*': { history: { size: 5, age: 60 } } } }],
    [{ users: { history: { size: 5, age: 60 } } }],
  ])('refuses to boot with a history, and names Redis: %j', (options) => {
    expect(() => from({ broker: 'workers', ...options })).toThrow(/Workers keep no history.*REALTIME_REDIS_URL/);
    expect(() => from({ broker: 'workers', rooms: { a: {} }, users: {} })).not.toThrow();
  });

  it('refuses to boot when a frame does not fit into what may wait', () => {
    const small = { broker: 'workers', maxWorkerBytes: 4_194_303 } as const;
    expect(() => from(small)).toThrow('REALTIME_MAX_WORKER_BYTES is 4194303, and has to be at least twice');
    expect(from({ ...small, maxWorkerBytes: 4_194_304 }).broker).toBe('workers');
  });
});

describe('how many workers there are', () => {
  it('is read from the environment', () => {
    expect([settingOf('workers', {}), settingOf('workers', { REALTIME_WORKERS: '3' })]).toEqual(['auto', 3]);
    expect(settingOf('workers', { REALTIME_WORKERS: 'AUTO' })).toBe('auto');
    expect(() => settingOf('workers', { REALTIME_WORKERS: '0' })).toThrow('REALTIME_WORKERS: 0 is not allowed');
  });

  it('cannot be given in code, where it would come too late', () => {
    expect(() => from({ workers: 2 })).toThrow('forRoot({ workers }) has no effect: set REALTIME_WORKERS');
  });
});

it('a process that a worker has started is not a worker', () => {
  expect(workerPlace(PLACE)).toBeUndefined();
  beWorker();
  expect([workerPlace(PLACE), workerPlace({}), workerPlace({ NESTJS_REALTIME_WORKER: 'x' })]).toEqual([
    { number: 2, of: 4 },
    undefined,
    undefined,
  ]);
});
