import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { Limits } from '../limits/limits.js';
import { SlowConsumers } from './slow-consumers.js';

const behind = (slow: SlowConsumers) => {
  const why: string[] = [];
  const consumer = {
    behindSince: performance.now(),
    tooSlow: (text: string) => (why.push(text), slow.delete(consumer)),
  };
  slow.add(consumer);
  return Object.assign(consumer, { why });
};
const failed = (error: unknown) => {
  throw error;
};
const limits = (isReportOnly = false) => new Limits(new RecordingLog(), isReportOnly);

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a client that is behind', () => {
  it('reports a client that is behind for too long, at most a second late', () => {
    const bounds = limits();
    const slow = new SlowConsumers(30, bounds, failed);
    const { why } = behind(slow);
    jest.advanceTimersByTime(29_999);
    expect(why).toEqual([]);
    jest.advanceTimersByTime(1001);
    expect(why).toEqual(['behind for 30s']);
    expect([bounds.counts.slowTime, slow.count]).toEqual([1, 0]);
  });

  it('does not report a client that has caught up in time', () => {
    const slow = new SlowConsumers(30, limits(), failed);
    const consumer = behind(slow);
    jest.advanceTimersByTime(29_000);
    slow.delete(consumer);
    jest.advanceTimersByTime(60_000);
    expect(consumer.why).toEqual([]);
  });

  it('measures each client from the moment when it fell behind', () => {
    const slow = new SlowConsumers(2, limits(), failed);
    const first = behind(slow);
    jest.advanceTimersByTime(1500);
    const second = behind(slow);
    jest.advanceTimersByTime(1000);
    expect([first.why.length, second.why.length]).toEqual([1, 0]);
  });

  it('lets a client be behind forever when the limit is 0', () => {
    const slow = new SlowConsumers(0, limits(), failed);
    const { why } = behind(slow);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(86_400_000);
    expect(why).toEqual([]);
  });

  it('counts a client once in report-only mode, and keeps it', () => {
    const bounds = limits(true);
    const slow = new SlowConsumers(2, bounds, failed);
    const { why } = behind(slow);
    jest.advanceTimersByTime(60_000);
    expect([why.length, bounds.counts.slowTime, slow.count]).toEqual([0, 1, 1]);
  });
});

describe('the timer', () => {
  it('runs the timer only while a client is behind', () => {
    const slow = new SlowConsumers(30, limits(), failed);
    expect(jest.getTimerCount()).toBe(0);
    const all = [behind(slow), behind(slow)];
    expect([slow.count, jest.getTimerCount()]).toEqual([2, 1]);
    for (const consumer of all) slow.delete(consumer);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('keeps the timer when a client leaves that was never behind', () => {
    const slow = new SlowConsumers(30, limits(), failed);
    behind(slow);
    slow.delete({ behindSince: 0, tooSlow: () => {} });
    expect(jest.getTimerCount()).toBe(1);
  });

  it('removes the timer on stop()', () => {
    const slow = new SlowConsumers(30, limits(), failed);
    behind(slow);
    slow.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('closes the others when one throws', () => {
    const errors: unknown[] = [];
    const slow = new SlowConsumers(2, limits(), (error) => errors.push(error));
    const broken = behind(slow);
    broken.tooSlow = () => {
      throw new Error('broken');
    };
    const other = behind(slow);
    jest.advanceTimersByTime(3000);
    expect([errors, other.why]).toEqual([[new Error('broken')], ['behind for 2s']]);
  });
});
