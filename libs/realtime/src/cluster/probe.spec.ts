import { jest } from '@jest/globals';
import { Patience } from './patience.js';
import { Probe } from './probe.js';

const TIMES = { probeIntervalMs: 10_000, probeTimeoutMs: 5000 };
let sent: Buffer[];
let lost: number;
let probe: Probe;

beforeEach(() => {
  jest.useFakeTimers();
  sent = [];
  lost = 0;
  probe = new Probe(
    TIMES,
    (bytes) => sent.push(bytes),
    () => lost++,
  );
});
afterEach(() => jest.useRealTimers());

it('sends the next message ten seconds after the last one came back', async () => {
  const first = probe.start();
  jest.advanceTimersByTime(40);
  probe.received(sent[0]!);
  await first;
  expect(probe.lagMs).toBe(40);
  jest.advanceTimersByTime(9999);
  expect(sent).toHaveLength(1);
  jest.advanceTimersByTime(1);
  expect(sent).toHaveLength(2);
});

it('reports a message that does not come back in five seconds, once', () => {
  void probe.start();
  jest.advanceTimersByTime(4999);
  expect(lost).toBe(0);
  jest.advanceTimersByTime(1);
  expect(lost).toBe(1);
  jest.advanceTimersByTime(60_000);
  expect([lost, sent.length]).toEqual([1, 1]);
});

it('is not content with an older message, or with one of somebody else', () => {
  void probe.start();
  probe.received(sent[0]!);
  jest.advanceTimersByTime(10_000);
  probe.received(sent[0]!);
  probe.received(Buffer.from('something'));
  jest.advanceTimersByTime(5000);
  expect(lost).toBe(1);
});

it('sends one at once when it is asked to, but never two at a time', () => {
  void probe.start();
  probe.now();
  expect(sent).toHaveLength(1);
  probe.received(sent[0]!);
  probe.now();
  expect(sent).toHaveLength(2);
});

it('does nothing once it is stopped', () => {
  void probe.start();
  probe.stop();
  jest.advanceTimersByTime(60_000);
  expect([lost, sent.length, jest.getTimerCount()]).toEqual([0, 1, 0]);
});

it('does not count the time in which this process did not run', () => {
  let expired = 0;
  const patience = new Patience(5000, () => expired++);
  patience.start();
  jest.advanceTimersByTime(2000);
  // A blocked loop: the clock goes on, but no timer fires
  const now = performance.now();
  const clock = jest.spyOn(performance, 'now');
  clock.mockImplementation(() => now + 60_000);
  jest.advanceTimersByTime(1000);
  expect(expired).toBe(0);
  clock.mockRestore();
  patience.stop();
});
