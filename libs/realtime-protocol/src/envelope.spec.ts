import { asEnvelope, CANCEL_EVENT, DONE_EVENT, encodeEnvelope, EXCEPTION_EVENT, isRequestId } from './envelope.js';

describe('encodeEnvelope', () => {
  it('encodes an envelope as the JSON that clients of WsAdapter speak', () => {
    expect(encodeEnvelope('chat', { text: 'hi' })).toBe('{"event":"chat","data":{"text":"hi"}}');
  });

  it('leaves out data and id that are undefined, and keeps null, 0, false and an empty text', () => {
    expect(encodeEnvelope('x', undefined)).toBe('{"event":"x"}');
    expect([null, 0, false, ''].map((data) => encodeEnvelope('x', data))).toEqual([
      ...[
        '{"event":"x","data":null}',
        '{"event":"x","data":0}',
        '{"event":"x","data":false}',
        '{"event":"x","data":""}',
      ],
    ]);
  });

  it('encodes the id of the request that is answered', () => {
    expect(encodeEnvelope('x', 1, 7)).toBe('{"event":"x","data":1,"id":7}');
    expect(encodeEnvelope('x', 1, 'a')).toBe('{"event":"x","data":1,"id":"a"}');
  });

  it('throws for a value that JSON cannot hold', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => encodeEnvelope('x', cycle)).toThrow(TypeError);
    expect(() => encodeEnvelope('x', 1n)).toThrow(TypeError);
  });

  it('encodes as JSON.stringify does, whatever the event and the data are', () => {
    const told = { toJSON: (key: string) => `the field ${key}` };
    const ofNothing = Object.assign(() => {}, { toJSON: () => 'a function' });
    const values = [
      told,
      ofNothing,
      new Date(0),
      { told },
      [told],
      Object(1n),
      Symbol('x'),
      () => 1,
      '\ud800 "é"',
      -0,
      NaN,
    ];
    const events = ['', 'x', '"\\\n', '__proto__', '\ud800', 'x'.repeat(5000), undefined as unknown as string];
    for (const event of events) {
      for (const data of [...values.slice(0, 5), ...values.slice(6)]) {
        for (const id of [undefined, 7, 'a"b'])
          expect(encodeEnvelope(event, data, id)).toBe(JSON.stringify({ event, data, id }));
      }
    }
    expect(() => encodeEnvelope('x', values[5])).toThrow(TypeError);
  });

  it('encodes more events than it remembers', () => {
    for (let turn = 0; turn < 2; turn++) {
      for (let n = 0; n < 1500; n++) expect(encodeEnvelope(`e${n}`, n)).toBe(`{"event":"e${n}","data":${n}}`);
    }
  });

  it('names the event of an error frame as Nest does', () => {
    expect(EXCEPTION_EVENT).toBe('exception');
  });
});

describe('asEnvelope', () => {
  it('returns the envelope that was encoded', () => {
    const envelope = JSON.parse(encodeEnvelope('chat', [1], 'a')) as unknown;
    expect(asEnvelope(envelope)).toEqual({ event: 'chat', data: [1], id: 'a' });
  });

  it('accepts an event of any name', () => {
    for (const event of ['', '__proto__', 'error']) expect(asEnvelope({ event })?.event).toBe(event);
  });

  it.each([
    null,
    undefined,
    'text',
    5,
    true,
    [],
    [{ event: 'x' }],
    {},
    { data: 1 },
    { event: 5 },
    { event: null },
    { event: {} },
  ])('returns undefined for %j, which is not an envelope', (value) => {
    expect(asEnvelope(value)).toBeUndefined();
  });
});

describe('isRequestId', () => {
  it.each([0, 7, -1, 1.5, '', 'a', '7', 'x'.repeat(256)])('accepts %j', (id) => {
    expect(isRequestId(id)).toBe(true);
  });

  it.each([undefined, null, true, {}, [], [7], Infinity, NaN, 'x'.repeat(257)])('does not accept %p', (id) => {
    expect(isRequestId(id)).toBe(false);
  });
});

it('names the events of requests with the reserved prefix', () => {
  expect([DONE_EVENT, CANCEL_EVENT]).toEqual(['rt:done', 'rt:cancel']);
});
