import { jest } from '@jest/globals';
import { Primary } from './primary.js';
import type { End, WorkerEvents } from './processes.js';

class FakeWorker {
  readonly signals: string[] = [];
  isRetired = false;
  hasEnded = false;

  constructor(
    readonly number: number,
    private readonly events: WorkerEvents,
  ) {}

  ready(): void {
    this.events.ready();
  }
  end(end: Partial<End> = { code: 1 }): void {
    this.hasEnded = true;
    this.events.ended({ code: null, signal: null, ...end });
  }
  retire(): void {
    this.isRetired = true;
  }
  kill(signal: string): void {
    this.signals.push(signal);
  }
  readonly pid = 1;
}

let workers: FakeWorker[];
let lines: string[];
let endings: unknown[];
let signals: Map<string, () => void>;

function start(count: number): void {
  const host = {
    on: (signal: string, listener: () => void) => void signals.set(signal, listener),
    say: (line: string) => void lines.push(line),
    end: (how: unknown) => void endings.push(how),
  };
  const startWorker = (number: number, _of: number, events: WorkerEvents) => {
    const worker = new FakeWorker(number, events);
    workers.push(worker);
    return worker;
  };
  new Primary({ count, startTimeoutMs: 60_000 }, startWorker, host).start();
}

/** Starts a primary whose workers are ready. */
function started(count: number): void {
  start(count);
  for (const worker of workers) worker.ready();
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

beforeEach(() => {
  jest.useFakeTimers();
  [workers, lines, endings, signals] = [[], [], [], new Map()];
});
afterEach(() => jest.useRealTimers());

describe('a worker that dies', () => {
  it('is replaced after 100 ms, then after twice as long each time, up to 30 s', () => {
    started(1);
    for (const pauseMs of [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]) {
      const count = workers.length;
      workers.at(-1)!.end({ code: 7 });
      jest.advanceTimersByTime(pauseMs - 1);
      expect(workers).toHaveLength(count);
      jest.advanceTimersByTime(1);
      expect(workers).toHaveLength(count + 1);
      workers.at(-1)!.ready();
    }
    expect([endings, lines[1]]).toEqual([[], 'replaces the worker 1/1 in 100 ms: it has ended with the code 7']);
  });

  it('is replaced after 100 ms again when it has been ready for more than 30 s', () => {
    started(1);
    for (let death = 0; death < 3; death++) {
      jest.advanceTimersByTime(30_001);
      workers.at(-1)!.end();
      jest.advanceTimersByTime(100);
      workers.at(-1)!.ready();
    }
    expect(workers).toHaveLength(4);
  });

  it('by a signal is replaced after 500 ms, and not at all when the primary gets one meanwhile', () => {
    started(2);
    workers[0]!.end({ signal: 'SIGTERM' });
    jest.advanceTimersByTime(499);
    expect(workers).toHaveLength(2);
    signals.get('SIGTERM')!();
    jest.advanceTimersByTime(60_000);
    expect([workers.length, workers[1]!.signals]).toEqual([2, ['SIGTERM']]);
    workers[1]!.end({ signal: 'SIGTERM' });
    expect(endings).toEqual(['SIGTERM']);
  });

  it('before it is ready three times in a row ends all others, and then the primary with the code 1', () => {
    start(2);
    workers[1]!.ready();
    for (const pauseMs of [100, 200]) {
      workers
        .filter(({ number }) => number === 1)
        .at(-1)!
        .end();
      jest.advanceTimersByTime(pauseMs);
    }
    expect(endings).toEqual([]);
    workers
      .filter(({ number }) => number === 1)
      .at(-1)!
      .end();
    expect([endings, workers[1]!.signals]).toEqual([[], ['SIGTERM']]);
    expect(lines.at(-1)).toMatch(
      /^ends: the worker 1\/2 has ended with the code 1 before it listened, 3 times in a row/,
    );
    workers[1]!.end({ signal: 'SIGTERM' });
    expect(endings).toEqual([1]);
  });

  it('before it is ready twice, and is ready then, does not count any more', () => {
    start(1);
    for (let round = 0; round < 3; round++) {
      for (let failure = 0; failure < 2; failure++) {
        workers.at(-1)!.end();
        jest.advanceTimersByTime(1000);
      }
      workers.at(-1)!.ready();
      workers.at(-1)!.end();
      jest.advanceTimersByTime(30_000);
    }
    expect(endings).toEqual([]);
  });
});

describe('a reload', () => {
  it('starts a new worker, retires the old one when it is ready, and goes on when that has ended', async () => {
    started(2);
    signals.get('SIGUSR2')!();
    expect([workers.length, workers[2]!.number, workers[0]!.isRetired]).toEqual([3, 1, false]);
    workers[2]!.ready();
    await turns();
    expect([workers[0]!.isRetired, workers.length]).toEqual([true, 3]);
    workers[0]!.end({ signal: 'SIGTERM' });
    await turns();
    expect([workers.length, workers[3]!.number]).toEqual([4, 2]);
    workers[3]!.ready();
    await turns();
    workers[1]!.end({ signal: 'SIGTERM' });
    await turns();
    jest.advanceTimersByTime(60_000);
    expect([workers.length, lines.at(-1)]).toEqual([4, 'has reloaded the workers']);
  });

  it('stops when the new worker ends before it is ready, which is not counted as a failure', async () => {
    started(1);
    for (let reload = 0; reload < 4; reload++) {
      signals.get('SIGUSR2')!();
      workers.at(-1)!.end();
      await turns();
    }
    expect([endings, workers[0]!.isRetired, workers.length]).toEqual([[], false, 5]);
    expect(lines.at(-1)).toBe(
      'stops the reload: the new worker 1/1 has ended before it listened. The others stay as they are',
    );
  });

  it('stops, and ends the new worker, when it is not ready in time', async () => {
    started(1);
    signals.get('SIGUSR2')!();
    await jest.advanceTimersByTimeAsync(60_000);
    expect([workers[1]!.signals, workers[0]!.isRetired]).toEqual([['SIGKILL'], false]);
    expect(lines.at(-1)).toContain('did not listen within 60 s');
  });

  it('takes the place of a worker that has just died, and nothing is started twice', async () => {
    started(1);
    signals.get('SIGUSR2')!();
    workers[0]!.end();
    workers[1]!.ready();
    await turns();
    jest.advanceTimersByTime(60_000);
    expect([workers.length, lines.at(-1)]).toEqual([2, 'has reloaded the workers']);
  });
});

it('ends by the signal when the last worker has ended, and a second signal changes nothing', () => {
  started(2);
  signals.get('SIGINT')!();
  signals.get('SIGTERM')!();
  expect(workers.map((worker) => worker.signals)).toEqual([['SIGTERM'], ['SIGTERM']]);
  workers[0]!.end({ signal: 'SIGTERM' });
  expect(endings).toEqual([]);
  workers[1]!.end({ signal: 'SIGTERM' });
  expect(endings).toEqual(['SIGINT']);
});
