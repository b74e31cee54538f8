import { fc } from '../../../../../test/support/properties.js';
import { Message } from '../../message.js';
import { EnvelopeReader } from './envelope-reader.js';
import { envelopeOf } from './request.js';

const EVENTS = ['echo', 'order:place', 'größe', 'e', 'a"quote', 'x'.repeat(65), 7];
const reader = new EnvelopeReader(EVENTS);

/** A message in memory that it shares with others, as short ones are. */
function lies(text: string, before = '', behind = ''): Message {
  const [start, end] = [Buffer.byteLength(before), Buffer.byteLength(before + text)];
  return new Message(Buffer.from(before + text + behind), false, start, end);
}

const read = (text: string) => reader.read(lies(text, '{"event":"echo","data":1,"id":7', '"}'));

/** What the whole text says; undefined when it is no envelope. */
function parsed(text: string) {
  try {
    return envelopeOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

it.each([
  ['{"event":"echo","data":"hello"}', 'hello', undefined],
  ['{"event":"echo","data":{"a":[1,2]}}', { a: [1, 2] }, undefined],
  ['{"event":"echo","data":7}', 7, undefined],
  ['{"event":"echo","data":null}', null, undefined],
  ['{"event":"echo","data":{"id":7}}', { id: 7 }, undefined],
  ['{"event":"echo","data":1,"id":7}', 1, 7],
  ['{"event":"echo","data":"x","id":"7"}', 'x', '7'],
  [
    '{"event":"echo","data":{},"id":"3f0f6a3c-8f0e-4b5b-9a3e-0f6a3c8f0e4b"}',
    {},
    '3f0f6a3c-8f0e-4b5b-9a3e-0f6a3c8f0e4b',
  ],
  ['{"event":"echo","data":"x","id":""}', 'x', ''],
])('parses only the data and the id of %s', (text, data, id) => {
  expect(read(text)).toEqual({ event: 'echo', data, id });
  expect(parsed(text)).toEqual({ event: 'echo', data, id });
});

it('reads an event whose name is not ASCII', () => {
  expect(read('{"event":"größe","data":"ü"}')).toEqual({ event: 'größe', data: 'ü', id: undefined });
});

it.each([
  ['an unknown event', '{"event":"other","data":1}'],
  ['an event that begins like a known one', '{"event":"echoes","data":1}'],
  ['a name that does not end', '{"event":"echo'],
  ['a name with an escape', '{"event":"\\u0065cho","data":1}'],
  ['a name that JSON escapes', '{"event":"a\\"quote","data":1}'],
  ['a name of 65 characters', `{"event":"${'x'.repeat(65)}","data":1}`],
  ['a number as the event', '{"event":7,"data":1}'],
  ['no data', '{"event":"echo"}'],
  ['the id first', '{"id":1,"event":"echo","data":1}'],
  ['spaces', '{ "event": "echo", "data": 1 }'],
  ['a space at the end', '{"event":"echo","data":1} '],
  ['a field twice', '{"event":"echo","data":1,"event":"e"}'],
  ['two values', '{"event":"echo","data":1,2}'],
  ['an empty value', '{"event":"echo","data":,"id":7}'],
  ['an id that is not JSON', '{"event":"echo","data":1,"id":07}'],
  ['a value that does not end', '{"event":"echo","data":"x}'],
  ['more than 4,096 bytes', `{"event":"echo","data":"${'x'.repeat(4096)}"}`],
  ['nothing', ''],
])('leaves to JSON.parse: %s', (_what, text) => {
  expect(read(text)).toBeUndefined();
});

it('reads no id that is not one', () => {
  const long = `"${'x'.repeat(300)}"`;
  for (const id of ['true', 'null', '{}', '-1', '1e3', long]) {
    const text = `{"event":"echo","data":1,"id":${id}}`;
    expect([text, read(text) ?? parsed(text)]).toEqual([text, parsed(text)]);
  }
});

it('looks neither before nor behind the message', () => {
  expect(reader.read(lies('"}', '{"event":"echo","data":'))).toBeUndefined();
  expect(reader.read(lies('{"event":"echo","data":1', '', '}'))).toBeUndefined();
  expect(reader.read(lies('{"event":"ec', '', 'ho","data":1}'))).toBeUndefined();
});

it('of two events with the same hash, the second is left to JSON.parse', () => {
  const [first, second] = ['Aa', 'BB'];
  const both = new EnvelopeReader([first, second]);
  const of = (event: string) => both.read(lies(`{"event":"${event}","data":1}`));
  expect([of(first), of(second)]).toEqual([{ event: first, data: 1, id: undefined }, undefined]);
});

/** Envelopes as clients write them, and the same with a few characters changed, added or taken away. */
const envelope = fc
  .tuple(
    fc.constantFrom('echo', 'order:place', 'größe', 'other'),
    fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>({ id: 7 }, ',"id":7', '","id":"7', [{ event: 'echo' }])),
    fc.option(fc.oneof<fc.Arbitrary<unknown>[]>(fc.nat(), fc.string(), fc.double(), fc.boolean()), { nil: undefined }),
  )
  .map(([event, data, id]) => JSON.stringify({ event, data, id }));
const change = fc.tuple(
  fc.nat(200),
  fc.nat(3),
  fc.constantFrom('', '"', '}', ',', '\\', '0', ',"id":7', ' ', '{', '\u00fc'),
);
const changed = fc.tuple(envelope, fc.array(change, { maxLength: 3 })).map(([text, changes]) => {
  for (const [at, gone, more] of changes) text = text.slice(0, at) + more + text.slice(at + gone);
  return text;
});

it('what it reads is what JSON.parse finds', () => {
  fc.assert(
    fc.property(changed, (text) => {
      const known = read(text);
      if (known) expect(known).toEqual(parsed(text));
    }),
    { numRuns: 5000 },
  );
});
