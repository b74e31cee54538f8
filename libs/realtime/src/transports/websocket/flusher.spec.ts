import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Flusher } from './flusher.js';

/** Sockets that log when they are flushed. */
function sockets(count: number, log: string[], name = 's') {
  return Array.from({ length: count }, (_, i) => ({ flush: () => void log.push(`${name}${i}`) }));
}

/** Waits until the log has this length. @returns the turns of the event loop that it took */
async function turnsUntil(log: string[], length: number): Promise<number> {
  let turns = 0;
  while (log.length < length && turns < 1000) {
    await turn();
    turns++;
  }
  return turns;
}

describe('Flusher', () => {
  it('flushes each socket once, in order, at the end of the turn', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    for (const socket of sockets(3, log)) flusher.add(socket);
    expect(log).toEqual([]);
    await turn();
    await turn();
    expect(log).toEqual(['s0', 's1', 's2']);
  });

  it('spreads many sockets over several turns', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    for (const socket of sockets(2000, log)) flusher.add(socket);
    expect(await turnsUntil(log, 2000)).toBeGreaterThan(5);
    expect(new Set(log).size).toBe(2000);
  });

  it('flushes few sockets in the first turn, so that the others gain frames sent right after', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    for (const socket of sockets(2000, log)) flusher.add(socket);
    const perTurn: number[] = [];
    while (log.length < 2000) {
      const before = log.length;
      await turn();
      if (log.length > before) perTurn.push(log.length - before);
    }
    expect(perTurn.slice(0, 4)).toEqual([64, 128, 256, 256]);
    log.length = 0;
    for (const socket of sockets(100, log)) flusher.add(socket);
    await turn();
    expect(log).toHaveLength(64);
  });

  it('does not make a new socket wait for thousands of old ones', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    for (const socket of sockets(5000, log)) flusher.add(socket);
    await turnsUntil(log, 256);
    flusher.add({ flush: () => void log.push('new') });
    await turnsUntil(log, 5001);
    expect(log.indexOf('new')).toBeLessThan(2000);
    expect(log).toHaveLength(5001);
  });

  it('flushes old sockets also while new ones keep coming', async () => {
    const log: string[] = [];
    const flusher = new Flusher();
    for (const socket of sockets(1000, log, 'old')) flusher.add(socket);
    for (let i = 0; i < 20; i++) {
      for (const socket of sockets(300, log, 'new')) flusher.add(socket);
      await turn();
    }
    expect(log.filter((name) => name.startsWith('old')).length).toBe(1000);
  });

  it('flushes a socket again that adds itself while it is flushed', async () => {
    const flusher = new Flusher();
    let count = 0;
    const socket = { flush: () => void (++count < 3 && flusher.add(socket)) };
    flusher.add(socket);
    for (let i = 0; i < 10; i++) await turn();
    expect(count).toBe(3);
  });

  describe('with a window', () => {
    let log: string[];
    let flusher: Flusher;

    beforeEach(() => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'performance'] });
      log = [];
      flusher = new Flusher(20);
    });

    afterEach(() => {
      jest.useRealTimers();
    });

    it('collects sockets until the end of the window', async () => {
      flusher.add(sockets(1, log)[0]!);
      jest.advanceTimersByTime(19);
      for (let i = 0; i < 3; i++) await turn();
      expect(log).toEqual([]);
      jest.advanceTimersByTime(1);
      await turn();
      expect(log).toEqual(['s0']);
    });

    it('collects sockets until the end of the window also while others are flushed', async () => {
      for (const socket of sockets(2000, log, 'old')) flusher.add(socket);
      jest.advanceTimersByTime(20);
      await turn();
      expect(log).toHaveLength(64);
      for (const socket of sockets(2, log, 'new')) flusher.add(socket);
      await turnsUntil(log, 2000);
      for (let i = 0; i < 3; i++) await turn();
      expect(log.filter((name) => name.startsWith('new'))).toEqual([]);
      jest.advanceTimersByTime(20);
      await turn();
      expect(log.slice(2000)).toEqual(['new0', 'new1']);
    });
  });
});
