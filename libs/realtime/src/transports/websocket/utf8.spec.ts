import { isUtf8 } from 'node:buffer';
import { fc } from '../../../../../test/support/properties.js';
import { Utf8Check } from './utf8.js';

/** Bytes that often are text, and often nearly so. */
const bytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }).map((text) => Buffer.from(text)),
      fc
        .constantFrom(...['c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98', '80', 'eda0', 'e080', 'f490', 'c0', 'ff'])
        .map((hex) => Buffer.from(hex, 'hex')),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

const ENDS = [0x80, 0x90, 0x9f, 0xa0, 0xbf].flatMap((one) => [[one], [one, 0x80], [one, 0x80, 0x80]]);

/** Returns whether something can follow these bytes that makes them a text. */
const mayBeText = (prefix: Buffer) => [[], ...ENDS].some((end) => isUtf8(Buffer.concat([prefix, Buffer.from(end)])));

function split(all: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (all.length + 1)).sort((a, b) => a - b), all.length];
  return cuts.slice(1).map((end, index) => all.subarray(cuts[index], end));
}

it('accepts each part for as long as the text can become UTF-8, and is complete where it is', () => {
  const run = (all: Buffer, places: number[]) => {
    const check = new Utf8Check();
    let length = 0;
    for (const part of split(all, places)) {
      length += part.length;
      const isAccepted = check.accepts(part);
      expect(isAccepted).toBe(mayBeText(all.subarray(0, length)));
      if (!isAccepted) return;
      expect(check.isComplete).toBe(isUtf8(all.subarray(0, length)));
    }
  };
  fc.assert(fc.property(bytes, fc.array(fc.nat(100), { maxLength: 10 }), run), { numRuns: 2000 });
});

it('accepts every character, cut at every place', () => {
  const points = [0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x3_ffff, 0x10_ffff];
  for (const point of points) {
    const character = Buffer.from(String.fromCodePoint(point));
    for (let cut = 0; cut <= character.length; cut++) {
      const check = new Utf8Check();
      const parts = [character.subarray(0, cut), character.subarray(cut)];
      expect([point, cut, parts.map((part) => check.accepts(part)), check.isComplete]).toEqual([
        point,
        cut,
        [true, true],
        true,
      ]);
    }
  }
});
