import { fc } from '../../../../../test/support/properties.js';
import { replyText } from './reply-text.js';

const fields = fc.record(
  { event: fc.constantFrom('x', 'y', 5, null, undefined), data: fc.jsonValue(), id: fc.nat(3), more: fc.nat(3) },
  { requiredKeys: [] },
);
const replies = fc.oneof(
  fc.jsonValue().filter((value) => value !== null),
  fields.chain((some) => fc.shuffledSubarray(Object.entries(some)).map(Object.fromEntries)),
);

/** What a reply is, said in the shortest way. */
function expected(value: unknown, event: string | number, id: string | number | undefined): string {
  if (id === undefined) return JSON.stringify(value);
  const isEnvelope = typeof (value as { event?: unknown }).event === 'string';
  return JSON.stringify({ ...(isEnvelope ? (value as object) : { event, data: value }), id });
}

it('encodes any reply as JSON.stringify does, with the id of its request if there is one', () => {
  const run = (value: unknown, id: string | number | undefined) =>
    expect(replyText(value, { event: 'asked', id })).toBe(expected(value, 'asked', id));
  fc.assert(fc.property(replies, fc.constantFrom(undefined, 7, 'seven'), run), { numRuns: 1000 });
});

it('encodes replies that JSON.stringify asks how, and fields that they inherit', () => {
  class Reply {
    event = 'x';
    data: unknown = 1;
  }
  const asked = Object.assign(new Reply(), { toJSON: () => ({ event: 'y' }) });
  const hidden = Object.defineProperty(new Reply(), 'data', { enumerable: false, value: 1 });
  const inherited = Object.assign(Object.create({ data: 1 }) as object, { event: 'x' });
  const symbols = Object.assign(new Reply(), { [Symbol('s')]: 1 });
  const empty = Object.assign(new Reply(), { data: undefined });
  const told = Object.assign(new Reply(), { data: { toJSON: (key: string) => key } });
  const texts = [new Reply(), asked, hidden, inherited, symbols, empty, told].map((value) =>
    replyText(value, { event: 'asked', id: undefined }),
  );
  expect(texts).toEqual([
    '{"event":"x","data":1}',
    '{"event":"y"}',
    '{"event":"x"}',
    '{"event":"x"}',
    '{"event":"x","data":1}',
    '{"event":"x"}',
    '{"event":"x","data":"data"}',
  ]);
});
