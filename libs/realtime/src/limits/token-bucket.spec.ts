import { jest } from '@jest/globals';
import { fc } from '../../../../test/support/properties.js';
import { TokenBucket } from './token-bucket.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** How many of so many attempts are allowed at this moment. */
function allowed(bucket: TokenBucket, attempts: number): number {
  return Array.from({ length: attempts }, () => bucket.take()).filter(Boolean).length;
}

describe('a token bucket', () => {
  it('starts with the tokens of one second', () => {
    expect(allowed(new TokenBucket(5), 20)).toBe(5);
  });

  it('gives again what has flowed in since', () => {
    const bucket = new TokenBucket(10);
    allowed(bucket, 10);
    jest.advanceTimersByTime(300);
    expect(allowed(bucket, 10)).toBe(3);
    jest.advanceTimersByTime(99);
    expect(bucket.take()).toBe(false);
    jest.advanceTimersByTime(1);
    expect(bucket.take()).toBe(true);
  });

  it('holds no more than its burst, however long nobody came', () => {
    const bucket = new TokenBucket(5, 8);
    jest.advanceTimersByTime(3_600_000);
    expect(allowed(bucket, 100)).toBe(8);
  });

  it('takes nothing for what it refuses', () => {
    const bucket = new TokenBucket(10);
    expect(bucket.take(11)).toBe(false);
    expect(bucket.take(10)).toBe(true);
  });

  it('refuses nothing where the rate has no bound', () => {
    expect(allowed(new TokenBucket(Infinity), 1000)).toBe(1000);
  });

  it('never gives more than its burst and its rate, whatever the times', () => {
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
