import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { FaultLog } from './fault-log.js';

let log: RecordingLog;
let faults: FaultLog;
const ann = { id: 'n.1', path: '/ws', transport: 'websocket' };
const bob = { id: 'n.2', path: '/a b', transport: 'sse' };

beforeEach(() => {
  jest.useFakeTimers();
  log = new RecordingLog();
  faults = new FaultLog(log);
});

afterEach(() => {
  jest.useRealTimers();
});

it('logs a failure at once and in full, with its stack', () => {
  faults.report(ann, 'onMessage', new TypeError('no\nroom'));
  expect(log.lines).toEqual(['error WebSocket onMessage failed id=n.1 path=/ws error="TypeError: no\\x0aroom"']);
  expect(log.stacks[0]).toContain('fault-log.spec');
});

it('logs a few failures in a row', () => {
  for (const what of ['onMessage', 'send', 'emit', 'onDrain', 'onClose']) faults.report(ann, what, new Error(what));
  expect(log.lines).toHaveLength(5);
  expect(log.with('unsaid')).toEqual([]);
});

it('logs one line a second for a client that fails with every message, with the number of failures left out', () => {
  for (let times = 0; times < 10_000; times++) faults.report(ann, 'onMessage', new Error('x'));
  expect(log.lines).toHaveLength(5);
  jest.advanceTimersByTime(1000);
  faults.report(ann, 'onMessage', new Error('again'));
  expect(log.lines[5]).toBe('error WebSocket onMessage failed id=n.1 path=/ws error="Error: again" unsaid=9995');
  jest.advanceTimersByTime(60_000);
  faults.report(ann, 'onMessage', new Error('after a rest'));
  expect(log.lines[6]).toBe('error WebSocket onMessage failed id=n.1 path=/ws error="Error: after a rest"');
});

it('logs the failures of one client independently of those of another, each with its transport', () => {
  for (let times = 0; times < 100; times++) faults.report(ann, 'onMessage', new Error('x'));
  faults.report(bob, 'onMessage', new Error('y'));
  expect(log.lines.at(-1)).toBe('error SSE onMessage failed id=n.2 path="/a b" error="Error: y"');
});
