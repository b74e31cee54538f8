import { jest } from '@jest/globals';
import { fc } from '../../../../test/support/properties.js';
import { type Beating, Heartbeat, type HeartbeatTimings } from './heartbeat.js';

/** A connection that counts how often the heartbeat checks it. */
class FakeBeating implements Beating {
  readonly id = 'node.1';
  readonly path = '/ws';
  readonly transport = 'websocket';
  isPaused = false;
  beatSlot = -1;
  beatPingAt = 0;
  readonly pingedAt: number[] = [];
  readonly expiredAt: number[] = [];
  silentMs?: number;
  looks = 0;
  /** When the last sign of life was received. */
  heardAt = performance.now();

  constructor(private readonly onPing: (of: FakeBeating) => void = () => {}) {}

  get lastSeenAt(): number {
    this.looks++;
    return this.heardAt;
  }

  ping(): void {
    this.pingedAt.push(performance.now());
    this.onPing(this);
  }

  expire(silentMs: number): void {
    this.expiredAt.push(performance.now());
    this.silentMs = silentMs;
  }
}

/** Two of the widest slots: a ping may be this much late. */
const SLOT_MS = 1000;

const answering = () => new FakeBeating((of) => (of.heardAt = performance.now()));

let heartbeat: Heartbeat;
const faults: string[] = [];
let zero: number;

function start(ping: number, idle: number, check: number): Heartbeat {
  const timings = { heartbeatPingInterval: ping, heartbeatIdleTime: idle, heartbeatCheckInterval: check };
  heartbeat = new Heartbeat(timings satisfies HeartbeatTimings, {
    report: (_connection, what, error) => faults.push(`${what}: ${(error as Error).message}`),
  });
  faults.length = 0;
  zero = performance.now();
  return heartbeat;
}

function added(connection = new FakeBeating()): FakeBeating {
  heartbeat.add(connection);
  return connection;
}

const seconds = (moments: readonly number[]) => moments.map((moment) => (moment - zero) / 1000);

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  heartbeat.stop();
  jest.useRealTimers();
});

describe('a connection that is silent', () => {
  it('pings a silent connection after each ping interval', () => {
    start(25, 0, 15);
    const { pingedAt } = added();
    jest.advanceTimersByTime(24_999);
    expect(pingedAt).toEqual([]);
    jest.advanceTimersByTime(51_000);
    expect(seconds(pingedAt)).toHaveLength(3);
    for (const [index, moment] of seconds(pingedAt).entries()) {
      expect(moment).toBeGreaterThanOrEqual(25 * (index + 1));
      expect(moment).toBeLessThanOrEqual(25.25 * (index + 1));
    }
  });

  it('pings a connection when it is due, at most one slot late, whenever it was added', () => {
    const run = (phases: number[]) => {
      start(25, 60, 30);
      const connections = phases.map((phase) => {
        jest.advanceTimersByTime(phase);
        return added();
      });
      jest.advanceTimersByTime(26_000);
      for (const { pingedAt, heardAt } of connections) {
        expect(pingedAt[0]! - heardAt).toBeGreaterThanOrEqual(25_000);
        expect(pingedAt[0]! - heardAt).toBeLessThanOrEqual(25_000 + SLOT_MS);
      }
      heartbeat.stop();
    };
    fc.assert(fc.property(fc.array(fc.nat(999), { minLength: 1, maxLength: 8 }), run), { numRuns: 50 });
  });

  it('closes a silent connection at the next check after its idle time, and not earlier', () => {
    start(25, 60, 15);
    jest.advanceTimersByTime(1000);
    const { expiredAt, pingedAt } = added();
    jest.advanceTimersByTime(73_900);
    expect(expiredAt).toEqual([]);
    jest.advanceTimersByTime(100 + SLOT_MS);
    expect(seconds(expiredAt)[0]).toBeCloseTo(75, 0);
    expect(pingedAt).toHaveLength(2);
  });

  it('closes a connection at a check when a ping is due between its idle time and that check', () => {
    start(10, 60, 30);
    jest.advanceTimersByTime(1000);
    const { expiredAt } = added();
    jest.advanceTimersByTime(88_900);
    expect(expiredAt).toEqual([]);
    jest.advanceTimersByTime(100 + SLOT_MS);
    expect(seconds(expiredAt)[0]).toBeCloseTo(90, 0);
  });

  it('reports how long a connection was silent', () => {
    start(25, 60, 15);
    const connection = added();
    jest.advanceTimersByTime(80_000);
    expect(connection.silentMs).toBe(connection.expiredAt[0]! - connection.heardAt);
  });

  it('closes a silent connection once and never checks it again', () => {
    start(25, 60, 15);
    const connection = added();
    jest.advanceTimersByTime(80_000);
    const { looks } = connection;
    jest.advanceTimersByTime(600_000);
    expect([connection.expiredAt.length, connection.looks]).toEqual([1, looks]);
  });
});

describe('a connection that gives signs of life', () => {
  it('keeps a connection that only answers pings open', () => {
    start(25, 60, 15);
    const connection = added(answering());
    jest.advanceTimersByTime(3_600_000);
    expect(connection.expiredAt).toEqual([]);
    expect(connection.pingedAt.length).toBeGreaterThan(130);
  });

  it('does not ping a connection that sends often enough itself', () => {
    start(25, 60, 15);
    const connection = added();
    for (let time = 0; time < 600; time += 20) {
      jest.advanceTimersByTime(20_000);
      connection.heardAt = performance.now();
    }
    expect([connection.pingedAt, connection.expiredAt]).toEqual([[], []]);
  });

  it('closes a connection when its signs of life stop', () => {
    start(25, 60, 15);
    const connection = added(answering());
    jest.advanceTimersByTime(600_000);
    const fell = connection.heardAt;
    Object.assign(connection, { onPing: () => {} });
    jest.advanceTimersByTime(100_000);
    expect(connection.expiredAt[0]! - fell).toBeGreaterThanOrEqual(60_000);
    expect(connection.expiredAt[0]! - fell).toBeLessThanOrEqual(75_000 + SLOT_MS);
  });

  it('does not count a paused connection as silent', () => {
    start(25, 60, 15);
    const connection = added();
    connection.isPaused = true;
    jest.advanceTimersByTime(600_000);
    expect(connection.expiredAt).toEqual([]);
    connection.isPaused = false;
    jest.advanceTimersByTime(100_000);
    expect(connection.expiredAt).toHaveLength(1);
  });

  it('pings a paused connection at the interval, because a client that has left shows only when something is written', () => {
    start(25, 60, 15);
    const connection = added();
    connection.isPaused = true;
    jest.advanceTimersByTime(600_000);
    const gaps = connection.pingedAt.slice(1).map((at, index) => at - connection.pingedAt[index]!);
    expect(connection.pingedAt.length).toBeGreaterThan(20);
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(25_000);
      expect(gap).toBeLessThanOrEqual(25_000 + 2 * SLOT_MS);
    }
  });
});

describe('timings of zero', () => {
  it('closes silent connections without any ping when the ping interval is 0', () => {
    start(0, 600, 60);
    const connection = added();
    jest.advanceTimersByTime(599_000);
    expect(connection.expiredAt).toEqual([]);
    jest.advanceTimersByTime(61_000 + SLOT_MS);
    expect([connection.pingedAt.length, connection.expiredAt.length]).toEqual([0, 1]);
  });

  it('pings but never closes when the idle time is 0', () => {
    start(25, 0, 15);
    const connection = added();
    jest.advanceTimersByTime(3_600_000);
    expect(connection.expiredAt).toEqual([]);
    expect(connection.pingedAt.length).toBeGreaterThan(130);
  });

  it('runs no timer when ping interval and idle time are 0', () => {
    start(0, 0, 0);
    const connection = added();
    expect(jest.getTimerCount()).toBe(0);
    heartbeat.remove(connection);
    jest.advanceTimersByTime(3_600_000);
    expect(connection.looks).toBe(0);
  });
});

describe('fractions of a second', () => {
  it('respects fractions of a second', () => {
    start(0.1, 0.5, 0.25);
    const connection = added();
    jest.advanceTimersByTime(600);
    expect(seconds(connection.pingedAt)[0]).toBeCloseTo(0.1, 1);
    expect(seconds(connection.expiredAt)[0]).toBeCloseTo(0.5, 1);
  });
});

describe('ten thousand connections', () => {
  it('pings ten thousand connections in their slot, at most 200 per turn', () => {
    start(25, 60, 15);
    const all = Array.from({ length: 10_000 }, () => added());
    const pings = () => all.reduce((sum, { pingedAt }) => sum + pingedAt.length, 0);
    jest.advanceTimersByTime(24_999);
    let most = 0;
    for (let before = 0; performance.now() - zero < 25_000 + SLOT_MS; before = pings()) {
      jest.advanceTimersToNextTimer();
      most = Math.max(most, pings() - before);
    }
    expect([most, pings()]).toEqual([200, 10_000]);
  });

  it('closes at most 200 dead connections per turn', () => {
    start(0, 60, 15);
    const all = Array.from({ length: 1000 }, () => added());
    const closed = () => all.filter(({ expiredAt }) => expiredAt.length > 0).length;
    jest.advanceTimersByTime(59_999);
    let most = 0;
    for (let before = 0; before < 1000 && performance.now() - zero < 60_000 + SLOT_MS; before = closed()) {
      jest.advanceTimersToNextTimer();
      most = Math.max(most, closed() - before);
    }
    expect([most, closed()]).toEqual([200, 1000]);
  });

  it('costs the same per connection for one as for ten thousand', () => {
    const looksPerConnection = (count: number) => {
      start(25, 60, 15);
      const all = Array.from({ length: count }, () => added(answering()));
      jest.advanceTimersByTime(200_000);
      heartbeat.stop();
      return all.reduce((sum, { looks }) => sum + looks, 0) / count;
    };
    const [alone, many] = [looksPerConnection(1), looksPerConnection(10_000)];
    expect(many).toBeLessThanOrEqual(alone * 1.1);
    expect(alone).toBeLessThan(50);
  });
});

describe('the timer', () => {
  it('runs one timer for all connections, and none without connections', () => {
    start(25, 60, 15);
    expect(jest.getTimerCount()).toBe(0);
    const all = [added(), added(), added()];
    expect(jest.getTimerCount()).toBe(1);
    for (const connection of all) heartbeat.remove(connection);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('starts the timer again with the next connection', () => {
    start(25, 60, 15);
    heartbeat.remove(added());
    jest.advanceTimersByTime(1_000_000);
    const connection = added();
    jest.advanceTimersByTime(25_000 + SLOT_MS - 1);
    expect([connection.pingedAt.length, connection.expiredAt.length]).toEqual([1, 0]);
  });

  it('does not keep the process alive with its timer', () => {
    start(25, 60, 15);
    const interval = jest.spyOn(globalThis, 'setInterval');
    added();
    expect((interval.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
    interval.mockRestore();
  });

  it('removes the timer on stop(), and everything that was due', () => {
    start(25, 60, 15);
    const connection = added();
    heartbeat.stop();
    jest.advanceTimersByTime(100_000);
    expect([jest.getTimerCount(), connection.looks - connection.pingedAt.length]).toEqual([0, 1]);
  });

  it('removes the timer on stop() in the middle of a large sweep', () => {
    start(25, 60, 15);
    const all = Array.from({ length: 1000 }, () => added());
    const pinged = () => all.filter(({ pingedAt }) => pingedAt.length > 0).length;
    jest.advanceTimersByTime(24_999);
    while (pinged() === 0) jest.advanceTimersToNextTimer();
    heartbeat.stop();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(1000);
    expect(pinged()).toBe(200);
  });

  it('removes the timer when the sweep closes the last connection', () => {
    start(25, 60, 15);
    added();
    jest.advanceTimersByTime(100_000);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a stall of the event loop', () => {
  /** By how much the clock has advanced while no timer ran, as when the process was stopped. */
  let stalledMs: number;

  beforeEach(() => {
    stalledMs = 0;
    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + stalledMs);
  });

  afterEach(() => {
    jest.mocked(performance.now).mockRestore();
  });

  it('closes nobody after a stall of a minute, because their messages may still be unread', () => {
    start(25, 60, 15);
    const all = Array.from({ length: 500 }, () => added());
    jest.advanceTimersByTime(10_000);
    stalledMs = 60_000;
    jest.advanceTimersByTime(20_000);
    expect(all.filter(({ expiredAt }) => expiredAt.length > 0)).toEqual([]);
  });

  it('gives every connection its full idle time after a stall, then closes the dead ones', () => {
    start(25, 60, 15);
    const [dead, healthy] = [added(), added(answering())];
    jest.advanceTimersByTime(10_000);
    stalledMs = 60_000;
    jest.advanceTimersByTime(80_000);
    expect([dead.expiredAt.length, healthy.expiredAt.length]).toEqual([1, 0]);
    expect(dead.expiredAt[0]! - zero).toBeGreaterThanOrEqual(130_000);
  });

  it('does not take a slightly late sweep for a stall', () => {
    start(0, 60, 15);
    const dead = added();
    jest.advanceTimersByTime(50_000);
    stalledMs = 1500;
    jest.advanceTimersByTime(8500 + SLOT_MS);
    expect(dead.expiredAt).toHaveLength(1);
  });
});

describe('a connection that goes', () => {
  it('never checks a connection that was removed', () => {
    start(25, 60, 15);
    const connection = added();
    added();
    const { looks } = connection;
    heartbeat.remove(connection);
    jest.advanceTimersByTime(100_000);
    expect(connection.looks).toBe(looks);
  });

  it('checks the others when one throws, and checks that one again later', () => {
    start(25, 60, 15);
    const broken = added(
      new FakeBeating(() => {
        throw new Error('broken');
      }),
    );
    const other = added();
    jest.advanceTimersByTime(26_000);
    expect([faults, broken.pingedAt.length, other.pingedAt.length]).toEqual([['heartbeat: broken'], 1, 1]);
    jest.advanceTimersByTime(60_000);
    expect([broken.expiredAt.length, other.expiredAt.length]).toEqual([1, 1]);
  });

  it('ignores the removal of an unknown connection', () => {
    start(25, 60, 15);
    const known = added();
    heartbeat.remove(new FakeBeating());
    jest.advanceTimersByTime(26_000);
    expect(known.pingedAt).toHaveLength(1);
  });

  it('does not ping connections that are removed during a sweep, and pings the others', () => {
    start(25, 60, 15);
    const all: FakeBeating[] = [];
    // the first one that is pinged takes the two after it away
    const first = new FakeBeating(() => all.slice(1, 3).forEach((other) => heartbeat.remove(other)));
    all.push(first, new FakeBeating(), new FakeBeating(), new FakeBeating());
    all.forEach((connection) => added(connection));
    jest.advanceTimersByTime(26_000);
    expect(all.map(({ pingedAt }) => pingedAt.length)).toEqual([1, 0, 0, 1]);
  });

  it('forgets a connection that is removed while it is pinged', () => {
    start(25, 60, 15);
    const connection: FakeBeating = new FakeBeating(() => heartbeat.remove(connection));
    added(connection);
    jest.advanceTimersByTime(26_000);
    expect([connection.pingedAt.length, jest.getTimerCount()]).toEqual([1, 0]);
    added();
    jest.advanceTimersByTime(600_000);
    expect([connection.pingedAt.length, connection.expiredAt.length]).toEqual([1, 0]);
  });

  it('continues a large sweep when connections are removed in the middle of it', () => {
    start(25, 60, 15);
    const all = Array.from({ length: 1000 }, () => added());
    jest.advanceTimersByTime(24_999);
    for (let done = 0; done === 0; done = all.filter(({ pingedAt }) => pingedAt.length > 0).length) {
      jest.advanceTimersToNextTimer();
    }
    for (const connection of all.slice(200, 600)) heartbeat.remove(connection);
    jest.advanceTimersByTime(SLOT_MS);
    const pinged = (from: number, to: number) =>
      all.slice(from, to).filter(({ pingedAt }) => pingedAt.length > 0).length;
    expect([pinged(0, 200), pinged(200, 600), pinged(600, 1000)]).toEqual([200, 0, 400]);
  });

  it('leaves nothing behind when all connections are removed during a sweep', () => {
    start(25, 60, 15);
    const all: FakeBeating[] = [];
    const last = new FakeBeating(() => all.forEach((connection) => heartbeat.remove(connection)));
    all.push(last, ...Array.from({ length: 300 }, () => new FakeBeating()));
    all.forEach((connection) => added(connection));
    jest.advanceTimersByTime(26_000);
    expect(jest.getTimerCount()).toBe(0);
    expect(all.reduce((sum, { pingedAt }) => sum + pingedAt.length, 0)).toBe(1);
  });
});
