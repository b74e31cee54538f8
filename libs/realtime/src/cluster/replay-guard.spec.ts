import { fc } from '../../../../test/support/properties.js';
import { ReplayGuard } from './replay-guard.js';

it('takes rising counters, and no counter a second time', () => {
  const guard = new ReplayGuard();
  expect([1, 2, 2, 1, 5, 3, 5, 6].map((counter) => guard.take('a', 'r:x', counter))).toEqual([
    ...[true, true, false, false, true, false, false, true],
  ]);
});

it('counts each node and each channel on its own', () => {
  const guard = new ReplayGuard();
  expect(guard.take('a', 'r:x', 5)).toBe(true);
  expect(guard.take('b', 'r:x', 5)).toBe(true);
  expect(guard.take('a', 'r:y', 5)).toBe(true);
  expect(guard.take('a', 'r:x', 5)).toBe(false);
});

it('behaves like a table of the highest counters while it is not full', () => {
  const step = fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y z', 'z'), fc.integer({ min: 1, max: 9 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const guard = new ReplayGuard(6);
      const table: Record<string, number> = {};
      for (const [node, channel, counter] of steps) {
        const key = JSON.stringify([node, channel]);
        const isNew = counter > (table[key] ?? 0);
        if (isNew) table[key] = counter;
        expect(guard.take(node, channel, counter)).toBe(isNew);
      }
    }),
  );
});

it('forgets the pair that was longest silent when it is full', () => {
  const guard = new ReplayGuard(2);
  guard.take('a', 'x', 5);
  guard.take('b', 'x', 5);
  guard.take('a', 'x', 6);
  guard.take('c', 'x', 5);
  expect(guard.take('a', 'x', 6)).toBe(false);
  expect(guard.take('c', 'x', 5)).toBe(false);
  expect(guard.take('b', 'x', 5)).toBe(true);
});
