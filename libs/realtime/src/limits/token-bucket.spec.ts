import { jest } from '@jest/globals';
import { fc } from '../../../../test/support/properties.js';
import { TokenBucket } from './token-bucket.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Returns how many of the attempts are allowed at this moment. */
function allowed(bucket: TokenBucket, attempts: number): number {
  return Array.from({ length: attempts }, () => bucket.take()).filter(Boolean).length;
}

describe('a token bucket', () => {
  it('starts with the tokens of one second', () => {
    expect(allowed(new TokenBucket(5), 20)).toBe(5);
  });

  it('allows as much again as has flowed in since', () => {
    const bucket = new TokenBucket(10);
    allowed(bucket, 10);
    jest.advanceTimersByTime(300);
    expect(allowed(bucket, 10)).toBe(3);
    jest.advanceTimersByTime(99);
    expect(bucket.take()).toBe(false);
    jest.advanceTimersByTime(1);
    expect(bucket.take()).toBe(true);
  });

  it('holds no more than its burst, however long it was not used', () => {
    const bucket = new TokenBucket(5, 8);
    jest.advanceTimersByTime(3_600_000);
    expect(allowed(bucket, 100)).toBe(8);
  });

  it('takes no tokens for an amount that it refuses', () => {
    const bucket = new TokenBucket(10);
    expect(bucket.take(11)).toBe(false);
    expect(bucket.take(10)).toBe(true);
  });

  it('allows every attempt if the rate is unlimited', () => {
    expect(allowed(new TokenBucket(Infinity), 1000)).toBe(1000);
  });

  it('never allows more than its burst and its rate, whatever the times', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(3000), attempts: fc.nat(30) }), { maxLength: 30 });
    const run = (rate: number, list: { waitMs: number; attempts: number }[]) => {
      const bucket = new TokenBucket(rate);
      let [given, elapsed] = [0, 0];
      for (const { waitMs, attempts } of list) {
        jest.advanceTimersByTime(waitMs);
        elapsed += waitMs;
        given += allowed(bucket, attempts);
        expect(given).toBeLessThanOrEqual(rate + (elapsed / 1000) * rate + 1e-6);
      }
    };
    fc.assert(fc.property(fc.integer({ min: 1, max: 50 }), steps, run));
  });
});
