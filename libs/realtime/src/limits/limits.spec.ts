import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { LIMIT_NAMES, Limits } from './limits.js';

let log: RecordingLog;

beforeEach(() => {
  jest.useFakeTimers();
  log = new RecordingLog();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a limit that is reached', () => {
  it('enforces, counts and logs a limit that is reached', () => {
    const limits = new Limits(log, false);
    expect(limits.reached('rooms', 'id=x rooms=3')).toBe(true);
    expect(limits.counts.rooms).toBe(1);
    expect(log.lines).toEqual([
      'warn Realtime limit reached limit=rooms id=x rooms=3 setting=REALTIME_MAX_ROOMS_PER_CONNECTION',
    ]);
  });

  it('logs a limit once a second, with the number of lines left out', () => {
    const limits = new Limits(log, false);
    for (let times = 0; times < 10_000; times++) limits.reached('messageRate', `id=${times}`);
    jest.advanceTimersByTime(999);
    limits.reached('messageRate', 'id=late');
    expect(log.lines).toHaveLength(1);
    jest.advanceTimersByTime(1);
    limits.reached('messageRate', 'id=next');
    expect(log.lines[1]).toBe(
      'warn Realtime limit reached limit=messageRate id=next setting=REALTIME_MAX_MESSAGE_RATE unsaid=10000',
    );
    expect(limits.counts.messageRate).toBe(10_002);
  });

  it('logs each limit on its own', () => {
    const limits = new Limits(log, false);
    for (const name of LIMIT_NAMES) limits.reached(name, 'x');
    expect(log.lines).toHaveLength(LIMIT_NAMES.length);
  });

  it('reports no lines left out after a quiet time', () => {
    const limits = new Limits(log, false);
    limits.reached('rooms', 'a');
    jest.advanceTimersByTime(5000);
    limits.reached('rooms', 'b');
    expect(log.lines[1]).toBe('warn Realtime limit reached limit=rooms b setting=REALTIME_MAX_ROOMS_PER_CONNECTION');
  });
});

describe('report-only mode', () => {
  it('counts and logs a limit in report-only mode, and does not enforce it', () => {
    const limits = new Limits(log, true);
    expect(limits.reached('fragments', 'x')).toBe(false);
    expect(limits.counts.fragments).toBe(1);
    expect(log.lines).toEqual([
      'warn Realtime limit reached (report only) limit=fragments x setting=REALTIME_MAX_FRAGMENTS',
    ]);
  });
});

it('starts every count at zero', () => {
  const { counts } = new Limits(log, false);
  expect(Object.keys(counts)).toEqual([...LIMIT_NAMES]);
  expect(new Set(Object.values(counts))).toEqual(new Set([0]));
});
