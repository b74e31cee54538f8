import { jest } from '@jest/globals';
import { FakeVisit } from '../../../../../test/support/fakes/fake-visit.js';
import { type HeldConnection, Tokens } from './tokens.js';

const visit = (url = '/ws') => new FakeVisit({ url });
const holder = (token: string, code = 4500, keptBytes = 100) =>
  ({ socket: { token, end: { code, reason: '' }, keptBytes }, id: token, path: '/ws' }) as unknown as HeldConnection;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('the connections that live between requests', () => {
  const create = (settings = {}) => new Tokens({ graceTime: 15, maxBufferedBytesTotal: 1000, ...settings });
  const ended = (holders: Tokens, ...args: Parameters<typeof holder>) => {
    const made = holder(...args);
    holders.add(made);
    holders.forget(made);
  };

  it('are found by token, on their own path', () => {
    const holders = create();
    holders.add(holder('t'));
    expect(holders.find('t', visit('/ws?x=1'))).toMatchObject({ id: 't' });
    expect(holders.find('t', visit('/other'))).toBeUndefined();
    expect(holders.find('__proto__', visit())).toBeUndefined();
  });

  it('are remembered for a minute after their end, or for the grace time where that is longer', async () => {
    for (const [graceTime, seconds] of [
      [15, 60],
      [90, 90],
    ] as const) {
      const holders = create({ graceTime });
      ended(holders, 'a');
      await jest.advanceTimersByTimeAsync(1000);
      ended(holders, 'b');
      await jest.advanceTimersByTimeAsync(seconds * 1000 - 1010);
      expect([holders.find('a', visit())?.id, holders.find('b', visit())?.id]).toEqual(['a', 'b']);
      await jest.advanceTimersByTimeAsync(20);
      expect([holders.find('a', visit()), holders.find('b', visit())?.id]).toEqual([undefined, 'b']);
      await jest.advanceTimersByTimeAsync(1000);
      expect(holders.find('b', visit())).toBeUndefined();
      expect(jest.getTimerCount()).toBe(0);
    }
  });

  it('are not remembered when their client simply did not come', () => {
    const holders = create();
    ended(holders, 'a', 1006);
    expect(holders.find('a', visit())).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('are forgotten, the oldest first, when they hold too many bytes', () => {
    const holders = create();
    for (const token of ['a', 'b', 'c']) ended(holders, token, 4500, 400);
    expect(['a', 'b', 'c'].map((token) => holders.find(token, visit())?.id)).toEqual([undefined, 'b', 'c']);
    ended(holders, 'd', 4500, 2000);
    expect(holders.find('d', visit())).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('are forgotten, the oldest first, when they are too many', () => {
    const holders = create();
    for (let i = 0; i <= 10_000; i++) ended(holders, `t${i}`, 4500, 0);
    expect([holders.find('t0', visit()), holders.find('t1', visit())?.id]).toEqual([undefined, 't1']);
  });
});
