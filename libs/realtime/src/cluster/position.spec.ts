import { fc } from '../../../../test/support/properties.js';
import { MAX_PREFIX, prefixOf, readPosition } from './position.js';

const tag = fc.string({ unit: fc.constantFrom(...'azAZ09_-'), minLength: 6, maxLength: 6 });
const positions = fc.record({
  n: fc.integer({ min: 1, max: 999_999_999_999_999 }),
  tag,
  previous: fc.oneof(tag, fc.constant('')),
});

it('reads what was written, and where the frame begins', () => {
  fc.assert(
    fc.property(positions, fc.uint8Array({ maxLength: 40 }), (position, rest) => {
      const prefix = prefixOf(position);
      expect(prefix.length).toBeLessThanOrEqual(MAX_PREFIX);
      const bytes = Buffer.concat([Buffer.from(prefix), rest]);
      expect(readPosition(bytes)).toEqual({ position, length: prefix.length });
    }),
  );
});

it.each([
  ...['0.abcdef.ghijkl ', '01.abcdef.ghijkl ', '1.abcde.ghijkl ', '1.abcdefg.ghijkl ', '1.abcdef.ghijk ', '1.abcdef '],
  ...[
    '1.abcdef.ghijkl',
    '1.abcdef.ghijkl\n',
    '1.abc=ef.ghijkl ',
    '1..ghijkl ',
    '1234567890123456.abcdef.ghijkl ',
    '9',
    '',
  ],
])('does not read %j as a position', (text) => {
  expect(readPosition(Buffer.from(text))).toBe('bad_position');
});
