import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { type HeldConnection, Tokens } from './tokens.js';

const visit = (url = '/ws') => new FakeExchange({ url });
const held = { bytes: 0 };
const holder = (token: string, code = 4500, bytes = 100) => {
  held.bytes += bytes;
  const socket = { token, end: { code, reason: '' }, forget: () => void (held.bytes -= bytes) };
  return { socket, token, id: token, path: '/ws' } as unknown as HeldConnection;
};

beforeEach(() => {
  held.bytes = 0;
  jest.useFakeTimers();
});
afterEach(() => void jest.useRealTimers());

describe('Tokens', () => {
  const create = (settings = {}) => new Tokens({ graceTime: 15, maxBufferedBytesTotal: 1000, ...settings }, held);
  const ended = (holders: Tokens, ...args: Parameters<typeof holder>) => {
    const made = holder(...args);
    holders.add(made);
    holders.forget(made);
  };

  it('finds a connection by its token, on its own path', () => {
    const holders = create();
    holders.add(holder('t'));
    expect(holders.find('t', visit('/ws?x=1'))).toMatchObject({ id: 't' });
    expect(holders.find('t', visit('/other'))).toBeUndefined();
    expect(holders.find('__proto__', visit())).toBeUndefined();
  });

  it('remembers an ended connection for a minute, or for the grace time if that is longer', async () => {
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

  it('does not remember a connection that ended because its client stayed away', () => {
    const holders = create();
    ended(holders, 'a', 1006);
    expect(holders.find('a', visit())).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('forgets the oldest ended connections when they hold too many bytes', () => {
    const holders = create();
    for (const token of ['a', 'b', 'c']) ended(holders, token, 4500, 400);
    expect(['a', 'b', 'c'].map((token) => holders.find(token, visit())?.id)).toEqual([undefined, 'b', 'c']);
    ended(holders, 'd', 4500, 2000);
    expect(holders.find('d', visit())).toBeUndefined();
    expect(held.bytes).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('forgets the oldest ended connections when there are too many', () => {
    const holders = create();
    for (let i = 0; i <= 10_000; i++) ended(holders, `t${i}`, 4500, 0);
    expect([holders.find('t0', visit()), holders.find('t1', visit())?.id]).toEqual([undefined, 't1']);
  });
});
