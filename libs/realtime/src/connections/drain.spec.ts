import { jest } from '@jest/globals';
import { ReadyState } from '../connection.js';
import { drain } from './drain.js';
import type { LiveConnection } from './live-connection.js';

const TIMINGS = { shutdownTimeout: 10, shutdownBatch: 2, shutdownInterval: 1, reconnectSpread: 5 };

/** The part of a connection that a shutdown uses. */
class FakeLiving {
  endedAt?: number;
  ending?: readonly [code: number, reason: string, initiator: string];
  isCut = false;
  readyState: number = ReadyState.OPEN;

  constructor(
    private readonly living: Set<FakeLiving>,
    /** Milliseconds until its `onClose` has settled; Infinity for never. */
    private readonly hookMs = 0,
  ) {
    living.add(this);
  }

  end(code: number, reason: string, initiator: string): void {
    this.endedAt ??= performance.now() - start;
    this.ending = [code, reason, initiator];
    if (this.hookMs < Infinity) setTimeout(() => this.living.delete(this), this.hookMs);
  }

  terminate(): void {
    this.isCut = true;
    this.readyState = ReadyState.CLOSED;
  }
}

let living: Set<FakeLiving>;
let start: number;
/** The connections that could not be ended. */
let failures: string[];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  living = new Set();
  failures = [];
  start = performance.now();
});

afterEach(() => {
  jest.useRealTimers();
});

const some = (count: number, hookMs?: number) => Array.from({ length: count }, () => new FakeLiving(living, hookMs));

/** Runs a shutdown to its end. @returns the connections that had not ended, and how long it took */
async function run(timings: Partial<typeof TIMINGS> = {}) {
  let tookMs = -1;
  const failed = ({ id }: LiveConnection) => void failures.push(id);
  const draining = drain(living as unknown as Set<LiveConnection>, { ...TIMINGS, ...timings }, 1001, failed);
  void draining.then(() => (tookMs = performance.now() - start));
  while (tookMs < 0) {
    await jest.advanceTimersByTimeAsync(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { left: (await draining) as unknown as FakeLiving[], tookMs };
}

describe('a shutdown', () => {
  it('closes all other connections when one of them throws, and reports that one', async () => {
    const broken = Object.assign(some(1, Infinity)[0]!, { id: 'n.1' });
    broken.end = broken.terminate = () => {
      throw new Error('ERR_HTTP_HEADERS_SENT');
    };
    const others = some(3);
    const { left } = await run({ shutdownTimeout: 1 });
    expect(others.every(({ ending }) => ending?.[0] === 1001)).toBe(true);
    expect([left, failures]).toEqual([[broken], ['n.1', 'n.1']]);
  });

  it('closes connections in batches with a pause between them', async () => {
    const all = some(5);
    await run();
    expect(all.map(({ endedAt }) => endedAt)).toEqual([0, 0, 1000, 1000, 2000]);
  });

  it('closes all connections at once without a pause', async () => {
    const all = some(5);
    await run({ shutdownInterval: 0 });
    for (const { endedAt } of all) expect(endedAt).toBeLessThan(50);
  });

  it('shortens the pauses so that all close frames are sent in the first half of the time', async () => {
    const all = some(200);
    await run();
    const moments = all.map(({ endedAt }) => endedAt!);
    expect(Math.max(...moments)).toBeLessThanOrEqual(5200);
    expect(Math.max(...moments)).toBeGreaterThan(4000);
    expect(all.filter(({ isCut }) => isCut)).toEqual([]);
  });

  it('closes with 1001 and gives each client its own time to come back within the spread', async () => {
    const all = some(100);
    await run({ shutdownBatch: 100 });
    const delays = all.map(({ ending }) => {
      expect([ending![0], ending![2]]).toEqual([1001, 'shutdown']);
      return Number(/^server shutting down; retry-after-ms=(\d+)$/.exec(ending![1])![1]);
    });
    expect(Math.max(...delays)).toBeLessThan(5000);
    expect(new Set(delays).size).toBeGreaterThan(80);
    // Not all in the same half
    expect(delays.filter((delay) => delay < 2500).length).toBeGreaterThan(20);
    expect(delays.filter((delay) => delay >= 2500).length).toBeGreaterThan(20);
  });

  it('ends the shutdown as soon as the last onClose has settled', async () => {
    some(2, 700);
    const { left, tookMs } = await run();
    expect(left).toEqual([]);
    expect(tookMs).toBeGreaterThanOrEqual(700);
    expect(tookMs).toBeLessThan(800);
  });

  it('cuts connections that have not ended at the deadline, and returns them', async () => {
    const [stuck] = some(1, Infinity);
    const [quick] = some(1, 5);
    const { left, tookMs } = await run({ shutdownTimeout: 2 });
    expect([left, stuck!.isCut, quick!.isCut]).toEqual([[stuck], true, false]);
    expect(tookMs).toBeGreaterThanOrEqual(2000);
    expect(tookMs).toBeLessThan(2100);
  });

  it('ends a shutdown without connections at once', async () => {
    expect((await run()).tookMs).toBeLessThan(50);
  });
});
