import { fc } from '../../../../../test/support/properties.js';
import { frame, type FrameParts, Opcode } from '../../../../../test/support/clients/raw-frames.js';
import { FrameScanner } from './scanner.js';

const BOUNDS = { maxFragments: 3, maxBufferedChunks: 5 };

/** A payload length in each of the three forms. */
const lengths = fc.oneof(fc.nat(20), fc.integer({ min: 120, max: 130 }), fc.integer({ min: 65_530, max: 65_540 }));

const payload = lengths.map((length) => Buffer.alloc(length, 'x'));

const control = fc.record({
  opcode: fc.constantFrom(Opcode.PING, Opcode.PONG),
  payload: fc.integer({ min: 0, max: 125 }).map((length) => Buffer.alloc(length)),
});

/** One message: fragments, with control frames before each. */
const message = fc
  .array(fc.record({ payload, controls: fc.array(control, { maxLength: 2 }) }), { minLength: 1, maxLength: 6 })
  .map((parts) =>
    parts.flatMap<FrameParts>(({ payload: bytes, controls }, index) => [
      ...controls,
      { opcode: index === 0 ? Opcode.BINARY : Opcode.CONTINUATION, fin: index === parts.length - 1, payload: bytes },
    ]),
  );

/** What a scanner must have counted after these frames. */
function expectedOf(messages: readonly FrameParts[][]) {
  const isControl = ({ opcode }: FrameParts) => opcode! >= 8;
  const fragments = messages.map((frames) => frames.filter((one) => !isControl(one)).length);
  return {
    finished: messages.length,
    tooFragmented: fragments.filter((count) => count > BOUNDS.maxFragments).length,
    isUnfinished: false,
  };
}

const seen = ({ finished, tooFragmented, isUnfinished }: FrameScanner) => ({ finished, tooFragmented, isUnfinished });

/** Cuts bytes at the given places. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

describe('FrameScanner', () => {
  it('counts the same, however the network splits the frames', () => {
    const places = fc.array(fc.nat(400_000), { maxLength: 40 });
    const run = (messages: FrameParts[][], cuts: number[]) => {
      const scanner = new FrameScanner(BOUNDS);
      for (const chunk of split(Buffer.concat(messages.flat().map(frame)), cuts)) scanner.scan(chunk);
      expect(seen(scanner)).toEqual(expectedOf(messages));
    };
    fc.assert(fc.property(fc.array(message, { maxLength: 4 }), places, run), { numRuns: 200 });
  });

  it('counts the same when every byte is a chunk', () => {
    const short = fc
      .array(message, { maxLength: 2 })
      .filter((list) => Buffer.concat(list.flat().map(frame)).length < 5000);
    const run = (messages: FrameParts[][]) => {
      const scanner = new FrameScanner(BOUNDS);
      for (const byte of Buffer.concat(messages.flat().map(frame))) scanner.scan(Buffer.from([byte]));
      expect(seen(scanner)).toEqual(expectedOf(messages));
    };
    fc.assert(fc.property(short, run), { numRuns: 100 });
  });

  it('reports an unfinished message at every byte of it but the last', () => {
    const bytes = Buffer.concat([
      frame({ opcode: Opcode.TEXT, fin: false, payload: 'a'.repeat(130) }),
      frame({ opcode: Opcode.PING, payload: 'p' }),
      frame({ opcode: Opcode.CONTINUATION, payload: '' }),
    ]);
    const scanner = new FrameScanner(BOUNDS);
    for (let at = 0; at < bytes.length; at++) {
      scanner.scan(bytes.subarray(at, at + 1));
      expect([at, scanner.isUnfinished]).toEqual([at, at < bytes.length - 1]);
    }
    expect(scanner.finished).toBe(1);
  });
});

describe('FrameScanner above its limits', () => {
  it('counts a message of too many fragments once', () => {
    const scanner = new FrameScanner(BOUNDS);
    scanner.scan(frame({ fin: false }));
    for (let more = 0; more < 100; more++) scanner.scan(frame({ opcode: Opcode.CONTINUATION, fin: false }));
    expect(scanner.tooFragmented).toBe(1);
    scanner.scan(frame({ opcode: Opcode.CONTINUATION }));
    expect([scanner.finished, scanner.tooFragmented]).toEqual([1, 1]);
  });

  it('counts a frame of too many chunks once', () => {
    const scanner = new FrameScanner(BOUNDS);
    const bytes = frame({ payload: 'x'.repeat(100) });
    for (let at = 0; at < bytes.length; at += 10) scanner.scan(bytes.subarray(at, at + 10));
    expect([scanner.finished, scanner.tooSpread]).toEqual([1, 1]);
    for (const part of split(bytes, [50, 60])) scanner.scan(part);
    expect([scanner.finished, scanner.tooSpread]).toEqual([2, 1]);
  });
});

it('waits for a frame of 2^63 bytes without an allocation', () => {
  const scanner = new FrameScanner(BOUNDS);
  scanner.scan(frame({ declaredLength: 2n ** 63n - 1n, lengthForm: 64 }));
  scanner.scan(Buffer.alloc(100_000));
  expect([scanner.isUnfinished, scanner.finished]).toEqual([true, 0]);
});
