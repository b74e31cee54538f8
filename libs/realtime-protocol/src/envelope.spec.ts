import { asEnvelope, encodeEnvelope, EXCEPTION_EVENT } from './envelope.js';

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
