import { fc } from '../../../../../test/support/properties.js';
import { frame, type FrameParts, Opcode } from '../../../../../test/support/clients/raw-frames.js';
import { READ } from './read-buffer.js';
import { headerLength, payloadLength } from './scanner.js';
import { Unmasker } from './unmask.js';

const lengths = fc.oneof(fc.nat(20), fc.integer({ min: 120, max: 130 }), fc.integer({ min: 65_530, max: 65_540 }));

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(Opcode.BINARY, Opcode.CONTINUATION, Opcode.PING),
    isMasked: fc.integer({ min: 0, max: 9 }).map((one) => one > 0),
    payload: fc.tuple(lengths, fc.nat(250)).map(([length, seed]) => Buffer.alloc(length).map((_, i) => seed + (i % 5))),
  }),
  { maxLength: 6 },
);

/** Cuts bytes at the given places, and wherever the buffer of a read would be full. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = places.map((place) => place % (bytes.length + 1));
  for (let at = 0; at < bytes.length; at += READ.length) cuts.push(at);
  const sorted = [...new Set([0, ...cuts, bytes.length])].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

/** Reads the chunks as a socket would. */
function read(unmasker: Unmasker, chunks: readonly Buffer[], startsFrame: (at: number) => boolean): Buffer {
  let at = 0;
  const found = chunks.map((chunk) => {
    if (unmasker.isLost && startsFrame(at)) unmasker.found();
    chunk.copy(READ);
    unmasker.undo(chunk.length);
    at += chunk.length;
    return Buffer.from(READ.subarray(0, chunk.length));
  });
  return Buffer.concat(found);
}

/** Parses the bytes as ws would: the payloads, and the keys that were left in the headers. */
function parse(bytes: Buffer) {
  const found: { payload: Buffer; key: string }[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at + headerLength(bytes, at);
    const end = start + payloadLength(bytes, at);
    const key = bytes[at + 1]! & 0x80 ? bytes.subarray(start - 4, start) : Buffer.alloc(4);
    const payload = bytes.subarray(start, end).map((byte, index) => byte ^ key[index & 3]!);
    found.push({ payload: Buffer.from(payload), key: key.toString('hex') });
    at = end;
  }
  return found;
}

/** Where each frame starts, and where the last one ends. */
const starts = (encoded: readonly Buffer[]) => encoded.reduce((all, { length }) => [...all, all.at(-1)! + length], [0]);

const NONE = '00000000';

it('leaves the payloads as they were sent, however the network splits the frames', () => {
  const run = (parts: FrameParts[], places: number[], isLost: boolean) => {
    const encoded = parts.map(frame);
    const boundaries = starts(encoded);
    const chunks = split(Buffer.concat(encoded), places);
    const found = parse(read(new Unmasker(isLost), chunks, (at) => boundaries.includes(at)));
    expect(found.length).toBe(parts.length);
    expect(parts.every(({ payload }, index) => found[index]!.payload.equals(payload as Buffer))).toBe(true);
  };
  fc.assert(fc.property(frames, fc.array(fc.nat(400_000), { maxLength: 30 }), fc.boolean(), run), { numRuns: 300 });
});

it('leaves the payloads as they were sent where every byte is a read', () => {
  const short = frames.filter((parts) => parts.every(({ payload }) => payload.length < 200));
  const run = (parts: FrameParts[]) => {
    const encoded = parts.map(frame);
    const boundaries = starts(encoded);
    const bytes = Buffer.concat(encoded);
    const found = parse(read(new Unmasker(false), split(bytes, [...bytes.keys()]), (at) => boundaries.includes(at)));
    expect(found.map(({ payload }) => payload)).toEqual(parts.map(({ payload }) => payload));
  };
  fc.assert(fc.property(short, run), { numRuns: 100 });
});

describe('Unmasker', () => {
  const mask = (payload: Buffer) => frame({ opcode: Opcode.BINARY, payload });
  const keys = (chunks: Buffer[], unmasker = new Unmasker(false)) =>
    parse(read(unmasker, chunks, () => false)).map(({ key }) => key);

  it('sets the keys of all frames of a read, and of the next read, to 0', () => {
    const one = [mask(Buffer.alloc(5)), mask(Buffer.alloc(300)), mask(Buffer.alloc(0))];
    expect(keys([Buffer.concat(one), mask(Buffer.alloc(64))])).toEqual([NONE, NONE, NONE, NONE]);
  });

  it('sets the keys of a frame that takes several reads, and of the next frame, to 0', () => {
    const bytes = Buffer.concat([mask(Buffer.alloc(70_001, 'a')), mask(Buffer.alloc(7))]);
    expect(keys(split(bytes, [15, 777, 70_010]))).toEqual([NONE, NONE]);
  });

  it('leaves the keys from a split header on, until found() says that a frame starts', () => {
    const bytes = mask(Buffer.alloc(64));
    const unmasker = new Unmasker(false);
    expect(keys([bytes.subarray(0, 3), bytes.subarray(3), bytes], unmasker)).not.toContain(NONE);
    unmasker.found();
    expect(keys([bytes], unmasker)).toEqual([NONE]);
  });

  it('does not touch the bytes behind those that were read', () => {
    READ.fill('z', 0, 100);
    const bytes = mask(Buffer.from('hello'));
    bytes.copy(READ);
    new Unmasker(false).undo(bytes.length);
    expect(READ.toString('latin1', bytes.length - 5, 20)).toBe('hello'.padEnd(20 - bytes.length + 5, 'z'));
  });
});
