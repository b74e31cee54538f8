import { Frame } from '../frame.js';
import { MESSAGE_COST, ReplayRing } from './replay-ring.js';

const COST = MESSAGE_COST + 1;

describe('ReplayRing', () => {
  const filled = (count: number, last?: number) => {
    const all = { bytes: 0 };
    const ring = new ReplayRing((bytes) => void (all.bytes += bytes), last);
    for (let n = 1; n <= count; n++) ring.add(new Frame(String(n)));
    return { ring, all };
  };
  const texts = (ring: ReplayRing) => ring.all().map(({ text }) => text);

  it('numbers messages from 1, or from where another ring has stopped', () => {
    expect(filled(3).ring).toMatchObject({ base: 0, last: 3 });
    const { ring } = filled(3, 40);
    expect([ring.base, ring.last, ring.at(40), ring.at(41)?.text, ring.at(44)]).toEqual([
      40,
      43,
      undefined,
      '1',
      undefined,
    ]);
  });

  it('keeps messages until they are acknowledged, and reaches only what it keeps', () => {
    const { ring } = filled(5);
    ring.acknowledge(2);
    expect([texts(ring), ring.base, ring.at(2), ring.at(3)?.text]).toEqual([['3', '4', '5'], 2, undefined, '3']);
    expect([1, 2, 5, 6, 2.5, Number.NaN].map((n) => ring.reaches(n))).toEqual([false, true, true, false, true, false]);
    ring.acknowledge(1);
    ring.acknowledge(99);
    expect([texts(ring), ring.isEmpty, ring.base, ring.last]).toEqual([[], true, 5, 5]);
  });

  it('hands out each message once, and again after it was turned back', () => {
    const { ring } = filled(3);
    expect([ring.take()?.text, ring.take()?.text, ring.taken]).toEqual(['1', '2', 2]);
    ring.turnTo(0);
    expect([ring.take()?.text, ring.take()?.text, ring.take()?.text, ring.take()]).toEqual(['1', '2', '3', undefined]);
    ring.turnTo(1);
    expect(ring.take()?.text).toBe('2');
    ring.turnTo(3);
    expect([ring.taken, ring.take()]).toEqual([3, undefined]);
  });

  it('counts what waits, what was taken, and all of it for the process', () => {
    const { ring, all } = filled(4);
    ring.take();
    ring.take();
    expect([ring.takenBytes, ring.waitingBytes, ring.bytes, all.bytes]).toEqual([2, 2, 4, 4].map((n) => n * COST));
    expect(ring.forgetOldest().text).toBe('1');
    expect([ring.takenBytes, ring.waitingBytes, ring.bytes, all.bytes]).toEqual([1, 2, 3, 3].map((n) => n * COST));
    ring.turnTo(1);
    expect([ring.takenBytes, ring.waitingBytes]).toEqual([0, 3 * COST]);
    ring.acknowledge(3);
    expect([ring.takenBytes, ring.waitingBytes, all.bytes]).toEqual([0, COST, COST]);
    ring.take();
    ring.clear();
    expect([ring.takenBytes, ring.bytes, all.bytes, ring.last]).toEqual([0, 0, 0, 4]);
  });

  it('does not count a message as taken that was acknowledged before', () => {
    const { ring } = filled(3);
    ring.acknowledge(3);
    ring.add(new Frame('4'));
    expect([ring.takenBytes, ring.waitingBytes, ring.take()?.text]).toEqual([0, COST, '4']);
  });

  it('forgets a thousand messages, the oldest first, and keeps the order', () => {
    const { ring, all } = filled(0);
    for (let n = 1; n <= 1000; n++) {
      ring.add(new Frame(String(n)));
      if (n > 100) expect(ring.forgetOldest().text).toBe(String(n - 100));
    }
    expect(texts(ring)).toEqual(Array.from({ length: 100 }, (_, index) => String(901 + index)));
    expect(all.bytes).toBe(ring.bytes);
  });
});
