import { fc } from '../../../../test/support/properties.js';
import { AnswerParts, partsOf } from './answer-parts.js';
import type { Answer } from './messages.js';

const whole = { part: 0, hasMore: false };
const membersOf = (count: number): Extract<Answer, { kind: 'members' }> => ({
  id: 7,
  kind: 'members',
  value: Array.from({ length: count }, (_, index) => ({ id: `a.${index.toString(36)}`, userId: `user ${index}` })),
  ...whole,
});

function together(parts: readonly Answer[], maxItems = 1000): Answer | undefined {
  const collected = new AnswerParts(parts[0]!.kind, maxItems);
  return parts.map((part) => collected.add(part)).at(-1);
}

it('puts a divided list together in whatever order the parts come', () => {
  const cases = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 400 }));
  fc.assert(
    fc.property(cases, fc.infiniteStream(fc.nat()), ([count, maxBytes], random) => {
      const answer = membersOf(count);
      const parts = partsOf(answer, maxBytes);
      const shuffled = parts.map((part) => [random.next().value!, part] as const).sort(([a], [b]) => a - b);
      expect(together(shuffled.map(([, part]) => part))).toEqual(answer);
    }),
  );
});

it('keeps a part within its bytes, but for a single item that is longer', () => {
  for (const part of partsOf(membersOf(500), 1000)) {
    expect(JSON.stringify((part as { value: unknown }).value).length).toBeLessThanOrEqual(1001);
  }
  expect(partsOf(membersOf(3), 1)).toHaveLength(3);
});

it('has the cursor of a page in its last part', () => {
  const items = ['a.1', 'a.2', 'a.3'].map((id) => ({ id }) as never);
  const page: Answer = { id: 7, kind: 'list', value: { items, next: 'a.3' }, ...whole };
  const parts = partsOf(page, 20);
  expect(parts.map((part) => 'value' in part && part.value)).toEqual([
    { items: [{ id: 'a.1' }] },
    { items: [{ id: 'a.2' }] },
    { items: [{ id: 'a.3' }], next: 'a.3' },
  ]);
  expect(together(parts)).toEqual(page);
});

it('does not divide what is not a list', () => {
  const answer: Answer = { id: 7, kind: 'count', value: 3, ...whole };
  expect(partsOf(answer, 1)).toEqual([answer]);
  expect(together([answer])).toBe(answer);
});

it('waits for a missing part, and counts none twice', () => {
  const [first, second, third] = partsOf(membersOf(3), 1) as [Answer, Answer, Answer];
  const collected = new AnswerParts('members', 100);
  expect([third, first, first, third].map((part) => collected.add(part))).toEqual(Array(4).fill(undefined));
  expect(collected.add(second)).toEqual(membersOf(3));
});

it('ignores a part behind the last one', () => {
  const [first, second] = partsOf(membersOf(2), 1) as [Answer, Answer];
  const collected = new AnswerParts('members', 100);
  collected.add(second);
  expect(collected.add({ ...membersOf(1), part: 2 })).toBeUndefined();
  expect(collected.add(first)).toEqual(membersOf(2));
});

it('never finishes a list whose last part stands before others', () => {
  const collected = new AnswerParts('members', 100);
  expect(collected.add({ ...membersOf(1), part: 5, hasMore: true })).toBeUndefined();
  expect(collected.add({ ...membersOf(1), part: 1 })).toBeUndefined();
  expect(collected.add({ ...membersOf(1), part: 0, hasMore: true })).toBeUndefined();
});

it('ignores the answer to another kind of question, and passes on a failure', () => {
  const collected = new AnswerParts('members', 100);
  expect(collected.add({ id: 7, kind: 'count', value: 3, ...whole })).toBeUndefined();
  expect(collected.add({ id: 7, kind: 'obeyed' })).toBeUndefined();
  const failed: Answer = { id: 7, kind: 'failed', code: 'too_many_members', message: 'use count()' };
  expect(collected.add(failed)).toBe(failed);
});

it('refuses a list with more items than allowed', () => {
  expect(together(partsOf(membersOf(4), 1), 3)).toMatchObject({ id: 7, kind: 'failed', code: 'answer_too_long' });
  expect(together(partsOf(membersOf(3), 1), 3)).toEqual(membersOf(3));
});
