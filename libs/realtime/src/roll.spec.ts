import { fc } from '../../../test/support/properties.js';
import { Roll } from './roll.js';

const member = (number: number) => ({ id: `node.${number.toString(36)}` });

it('finds the members from a number on, whatever the order in which they came and went', () => {
  const events = fc.array(fc.record({ number: fc.integer({ min: 1, max: 60 }), isIn: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(events, fc.integer({ min: 0, max: 61 }), fc.integer({ min: 1, max: 10 }), (all, from, limit) => {
      const roll = new Roll<{ id: string }>();
      const model = new Map<number, { id: string }>();
      for (const { number, isIn } of all) {
        const known = model.get(number);
        if (isIn && !known) {
          model.set(number, member(number));
          roll.add(model.get(number)!);
        } else if (!isIn) {
          roll.delete(known ?? member(number));
          model.delete(number);
        }
      }
      const expected = [...model].sort(([one], [other]) => one - other).filter(([number]) => number >= from);
      expect(roll.from(from, limit)).toEqual(expected.slice(0, limit).map(([, found]) => found));
    }),
  );
});

it('finds a page without looking at the members before it', () => {
  const roll = new Roll<{ id: string }>();
  let looks = 0;
  const watched = (number: number) => ({
    get id() {
      looks++;
      return member(number).id;
    },
  });
  for (let number = 0; number < 10_000; number++) roll.add(watched(number));
  looks = 0;
  expect(roll.from(9000, 3)).toHaveLength(3);
  expect(looks).toBe(0);
});

it('does not grow when members come and go', () => {
  const roll = new Roll<{ id: string }>();
  for (let number = 0; number < 10_000; number++) {
    roll.add(member(number));
    if (number >= 10) roll.delete(member(number - 10));
  }
  expect((roll as unknown as { numbers: number[] }).numbers.length).toBeLessThan(50);
  expect(roll.from(0, 100)).toHaveLength(10);
});
