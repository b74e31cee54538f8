import { fc } from '../../../../test/support/properties.js';
import { OptionsError } from '../errors.js';
import { commonVersion, READS, type Reads, versionAtStart } from './versions.js';

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 1, max: 31 }))
  .map(([a, b]): Reads => [Math.min(a, b), Math.max(a, b)]);

it('is the highest version that every node reads', () => {
  fc.assert(
    fc.property(fc.array(ranges, { minLength: 1, maxLength: 6 }), (all) => {
      const readByAll = Array.from({ length: 31 }, (_, index) => index + 1).filter((version) =>
        all.every(([min, max]) => version >= min && version <= max),
      );
      expect(commonVersion(all)).toBe(readByAll.at(-1));
    }),
  );
});

it('is the highest own version for a node that is alone', () => {
  expect(versionAtStart([2, 4], new Map())).toBe(4);
  expect(versionAtStart(READS, new Map())).toBe(1);
});

it('keeps to the version of the old nodes during a deploy', () => {
  expect(versionAtStart([1, 2], new Map([['old', [1, 1]]]))).toBe(1);
});

it('stops the start of a node that no version has in common, and names the nodes that are in the way', () => {
  const others = new Map<string, Reads>([
    ['both', [1, 2]],
    ['old', [1, 1]],
  ]);
  expect(() => versionAtStart([2, 3], others)).toThrow(OptionsError);
  expect(() => versionAtStart([2, 3], others)).toThrow(
    'This node reads the versions 2 to 3 of the wire between nodes, but old reads 1 to 1: no version is read by all.',
  );
});

it('stops the start when each node has a version in common with it, but all together have none', () => {
  const others = new Map<string, Reads>([
    ['a', [1, 2]],
    ['b', [3, 4]],
  ]);
  expect(() => versionAtStart([2, 3], others)).toThrow('but a reads 1 to 2, b reads 3 to 4: no version');
});

it('names at most five nodes', () => {
  const others = new Map(Array.from({ length: 9 }, (_, index): [string, Reads] => [`node${index}`, [1, 1]]));
  expect(() => versionAtStart([2, 2], others)).toThrow(/node4 reads 1 to 1: no/);
});
