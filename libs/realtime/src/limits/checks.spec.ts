import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { RealtimeError } from '../errors.js';
import { Frame } from '../frame.js';
import { checkClose, checkName, checkSize } from './checks.js';
import { Limits } from './limits.js';

describe('a close', () => {
  it.each([1000, 1001, 1003, 1007, 1014, 3000, 3999, 4000, 4999])('may have the code %d', (code) => {
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
  ])('may not have the code %p, and the error says which are allowed', (code) => {
    expect(() => checkClose(code, '')).toThrow(RangeError);
    expect(() => checkClose(code, '')).toThrow(/1000–1014 \(not 1004–1006\) or 3000–4999/);
  });

  it('may have a reason of 123 bytes, not of 124', () => {
    expect(() => checkClose(1000, 'x'.repeat(123))).not.toThrow();
    expect(() => checkClose(1000, `${'é'.repeat(61)}x`)).not.toThrow();
    expect(() => checkClose(1000, 'x'.repeat(124))).toThrow(TypeError);
    expect(() => checkClose(1000, 'é'.repeat(62))).toThrow('at most 123 bytes, got 124');
  });

  it.each([[new Uint8Array(4)], [4], [null], [undefined], [{ length: 1 }]])('may not have %p as a reason', (reason) => {
    expect(() => checkClose(1000, reason as never)).toThrow(TypeError);
  });
});

/** A node whose bounds are 8 characters and 2 bytes. */
const node = (isReportOnly = false) => ({
  settings: { maxNameLength: 8, maxBufferedBytes: 2 },
  limits: new Limits(new RecordingLog(), isReportOnly),
});

describe('a name', () => {
  it.each(['x', 'x'.repeat(8), '__proto__'.slice(0, 8), ' ', '\n', '日本'])('may be %j', (name) => {
    expect(() => checkName('room', name, node())).not.toThrow();
  });

  it.each(['', 'x'.repeat(9), 'x'.repeat(2 ** 20)])(
    'of another length is refused, and the error does not repeat it',
    (name) => {
      const check = () => checkName('user', name, node());
      expect(check).toThrow(RealtimeError);
      expect(check).toThrow(`The name of a user has 1 to 8 characters (REALTIME_MAX_NAME_LENGTH), got ${name.length}`);
      expect(check).toThrow(expect.objectContaining({ code: 'bad_name' }));
    },
  );

  it.each(['room', 'user', 'event'] as const)('that is too long is counted and logged: of a %s', (what) => {
    const { settings, limits } = node();
    expect(() => checkName(what, 'x'.repeat(9), { settings, limits })).toThrow();
    expect(limits.counts.nameLength).toBe(1);
  });

  it('that is too long is taken where bounds are only reported; one that is empty is none', () => {
    const host = node(true);
    expect(() => checkName('room', 'x'.repeat(9), host)).not.toThrow();
    expect(() => checkName('room', '', host)).toThrow(expect.objectContaining({ code: 'bad_name' }));
    expect(host.limits.counts.nameLength).toBe(1);
  });

  it.each([[5], [null], [undefined], [['x']], [{ length: 3 }]])('is no %p', (name) => {
    expect(() => checkName('event', name as never, node(true))).toThrow(/^The name of an? event is a string/);
    expect(() => checkName('event', name as never, node())).toThrow(expect.objectContaining({ code: 'bad_name' }));
  });
});

describe('a size', () => {
  it('is in bytes and may reach the bound, not pass it', () => {
    const host = node();
    expect(() => checkSize(Frame.of('é'), host)).not.toThrow();
    expect(() => checkSize(Frame.of('éx'), host)).toThrow(expect.objectContaining({ code: 'too_big' }));
    expect(() => checkSize(Frame.of('éx'), host)).toThrow(
      'A message of 3 bytes exceeds REALTIME_MAX_BUFFERED_BYTES (2)',
    );
    expect(host.limits.counts.bufferedBytes).toBe(2);
  });

  it('is only counted where bounds are only reported', () => {
    const host = node(true);
    expect(() => checkSize(Frame.of('éx'), host)).not.toThrow();
    expect(host.limits.counts.bufferedBytes).toBe(1);
  });
});
