import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { RealtimeError } from '../errors.js';
import { Frame } from '../frame.js';
import { checkClose, checkName, checkSize } from './checks.js';
import { Limits } from './limits.js';

describe('checkClose', () => {
  it.each([1000, 1001, 1003, 1007, 1014, 3000, 3999, 4000, 4999])('accepts the close code %d', (code) => {
    expect(() => checkClose(code, '')).not.toThrow();
  });

  it.each([
    0,
    -1,
    999,
    1004,
    1005,
    1006,
    1015,
    2999,
    5000,
    65_535,
    1000.5,
    NaN,
    Infinity,
    '1000' as never,
    undefined as never,
  ])('refuses the close code %p and says which codes are allowed', (code) => {
    expect(() => checkClose(code, '')).toThrow(RangeError);
    expect(() => checkClose(code, '')).toThrow(/1000–1014 \(not 1004–1006\) or 3000–4999/);
  });

  it('accepts a close reason of 123 bytes, and refuses one of 124', () => {
    expect(() => checkClose(1000, 'x'.repeat(123))).not.toThrow();
    expect(() => checkClose(1000, `${'é'.repeat(61)}x`)).not.toThrow();
    expect(() => checkClose(1000, 'x'.repeat(124))).toThrow(TypeError);
    expect(() => checkClose(1000, 'é'.repeat(62))).toThrow('at most 123 bytes, got 124');
  });

  it.each([[new Uint8Array(4)], [4], [null], [undefined], [{ length: 1 }]])(
    'refuses %p as a close reason',
    (reason) => {
      expect(() => checkClose(1000, reason as never)).toThrow(TypeError);
    },
  );
});

/** A node whose limits are 8 characters and 2 bytes. */
const node = (isReportOnly = false) => ({
  settings: { maxNameLength: 8, maxBufferedBytes: 2 },
  limits: new Limits(new RecordingLog(), isReportOnly),
});

describe('checkName', () => {
  it.each(['x', 'x'.repeat(8), '__proto__'.slice(0, 8), ' ', '\n', '日本'])('accepts the name %j', (name) => {
    expect(() => checkName('room', name, node())).not.toThrow();
  });

  it.each(['', 'x'.repeat(9), 'x'.repeat(2 ** 20)])(
    'refuses a name of another length, and the error does not repeat the name',
    (name) => {
      const check = () => checkName('user', name, node());
      expect(check).toThrow(RealtimeError);
      expect(check).toThrow(
        `The name of the user must have 1 to 8 characters (REALTIME_MAX_NAME_LENGTH), got ${name.length}`,
      );
      expect(check).toThrow(expect.objectContaining({ code: 'bad_name' }));
    },
  );

  it.each(['room', 'user', 'event'] as const)('counts a %s name that is too long', (what) => {
    const { settings, limits } = node();
    expect(() => checkName(what, 'x'.repeat(9), { settings, limits })).toThrow();
    expect(limits.counts.nameLength).toBe(1);
  });

  it('accepts a name that is too long in report-only mode, but not an empty one', () => {
    const limited = node(true);
    expect(() => checkName('room', 'x'.repeat(9), limited)).not.toThrow();
    expect(() => checkName('room', '', limited)).toThrow(expect.objectContaining({ code: 'bad_name' }));
    expect(limited.limits.counts.nameLength).toBe(1);
  });

  it.each([[5], [null], [undefined], [['x']], [{ length: 3 }]])(
    'refuses %p as a name, in report-only mode too',
    (name) => {
      expect(() => checkName('event', name as never, node(true))).toThrow(/^The name of the event must be a string/);
      expect(() => checkName('event', name as never, node())).toThrow(expect.objectContaining({ code: 'bad_name' }));
    },
  );
});

describe('checkSize', () => {
  it('measures a message in bytes, and refuses one above the limit', () => {
    const limited = node();
    expect(() => checkSize(Frame.of('é'), limited)).not.toThrow();
    expect(() => checkSize(Frame.of('éx'), limited)).toThrow(expect.objectContaining({ code: 'too_big' }));
    expect(() => checkSize(Frame.of('éx'), limited)).toThrow(
      'A message of 3 bytes exceeds REALTIME_MAX_BUFFERED_BYTES (2)',
    );
    expect(limited.limits.counts.bufferedBytes).toBe(2);
  });

  it('only counts a message above the limit in report-only mode', () => {
    const limited = node(true);
    expect(() => checkSize(Frame.of('éx'), limited)).not.toThrow();
    expect(limited.limits.counts.bufferedBytes).toBe(1);
  });
});
