import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { Counters } from '../stats.js';
import { refusal, RefusalLog, rejection } from './refusals.js';

let log: RecordingLog;
let counters: Counters;

function refusalLog(logLifecycle: 'all' | 'failures' | 'none' = 'all'): RefusalLog {
  return new RefusalLog({ log, counters, settings: { logLifecycle } });
}

beforeEach(() => {
  jest.useFakeTimers();
  log = new RecordingLog();
  counters = new Counters();
});

afterEach(() => void jest.useRealTimers());

const AT = { transport: 'websocket', at: 'path=/ws ip=unix' };
const LINE = 'WebSocket connection refused status=403 path=/ws ip=unix reason="No"';

it('warns of a hundred refusals at once and of ten a second after that; the others go to debug, and all are counted', () => {
  const refusals = refusalLog();
  const refuse = (times: number) => {
    for (let time = 0; time < times; time++) refusals.refused(AT, refusal(403, 'No'), false);
  };
  refuse(1000);
  expect(log.with('warn ')).toEqual(Array(100).fill(`warn ${LINE}`));
  expect(log.with('debug ')).toEqual(Array(900).fill(`debug ${LINE}`));
  jest.advanceTimersByTime(1000);
  refuse(20);
  expect(log.with('warn ').slice(100)).toEqual([`warn ${LINE} unsaid=900`, ...Array(9).fill(`warn ${LINE}`)]);
  expect(counters.refused).toBe(1020);
});

it('logs a hundred faults of handshakes at once and ten a second after that, and counts them all', () => {
  const refusals = refusalLog('none');
  for (let time = 0; time < 1000; time++) refusals.refused(AT, new TypeError('no db'), false);
  const line = 'error WebSocket handshake failed status=500 path=/ws ip=unix error="TypeError: no db"';
  expect(log.lines).toEqual(Array(100).fill(line));
  expect([counters.refused, counters.hookErrors]).toEqual([1000, 1000]);
});

it('does not spend the warnings of others on a client that floods, nor on refusals that are logged elsewhere', () => {
  const refusals = refusalLog();
  for (let time = 0; time < 1000; time++) refusals.refused(AT, refusal(403, 'No'), true);
  for (let time = 0; time < 1000; time++) refusals.refused(AT, rejection(404, 'Gone'), false);
  expect(log.with('warn ')).toEqual([]);
  refusals.refused(AT, refusal(403, 'No'), false);
  expect(log.with('warn ')).toEqual([`warn ${LINE}`]);
});
