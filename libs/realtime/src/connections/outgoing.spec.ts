import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import type { Connection } from '../connection.js';
import { Limits } from '../limits/limits.js';
import { FaultLog } from '../node/fault-log.js';
import { RealtimeSettings } from '../settings/settings.js';
import { envelopeFrame, payloadFrame } from './outgoing.js';

const connection = { id: 'n.1', path: '/ws', transport: 'websocket' } as Connection;

let log: RecordingLog;

beforeEach(() => {
  log = new RecordingLog();
});

function node() {
  const settings = RealtimeSettings.from({ envFile: false, maxNameLength: 8, maxBufferedBytes: 1024 }, {});
  return { settings, limits: new Limits(log, false), faultLog: new FaultLog(log) };
}

it('makes a frame with the policy of the push', () => {
  expect(payloadFrame(connection, node(), 'text', { slow: 'drop-newest' })).toMatchObject({
    ...{ data: 'text', slow: 'drop-newest', isEnvelope: false },
  });
  expect(envelopeFrame(connection, node(), 'news', { id: 1 }, { slow: 'close' })).toMatchObject({
    ...{ data: '{"event":"news","data":{"id":1}}', slow: 'close', isEnvelope: true },
  });
  expect(log.lines).toEqual([]);
});

it.each([
  ['is neither text nor bytes', 5, 'TypeError: Expected a string'],
  ['is longer than the limit of one client', 'x'.repeat(1025), 'RealtimeError: A message of 1025 bytes'],
])('returns no frame and logs why when a payload %s', (_what, data, why) => {
  expect(payloadFrame(connection, node(), data as never, undefined)).toBeUndefined();
  expect(log.with('WebSocket send failed id=n.1 path=/ws')).toEqual([expect.stringContaining(why)]);
});

it.each<[string, string, unknown, string]>([
  ['an empty name', '', 1, 'characters (REALTIME_MAX_NAME_LENGTH), got 0'],
  ['data that JSON cannot hold', 'news', 1n, 'TypeError: '],
  ['more data than the limit of one client', 'news', 'x'.repeat(1025), 'RealtimeError: A message of'],
])('returns no frame and logs why when an envelope has %s', (_what, event, data, why) => {
  expect(envelopeFrame(connection, node(), event, data, undefined)).toBeUndefined();
  expect(log.with('WebSocket emit failed id=n.1 path=/ws')).toEqual([expect.stringContaining(why)]);
});
