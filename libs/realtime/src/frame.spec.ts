import { jest } from '@jest/globals';
import { Message } from './message.js';
import { type Encoder, Frame } from './frame.js';

describe('a frame', () => {
  it('makes a text frame of a string', () => {
    const frame = Frame.of('é');
    expect([frame.data, frame.isBinary, frame.size]).toEqual(['é', false, 2]);
  });

  it.each<[string, Uint8Array | ArrayBuffer]>([
    ['a Buffer', Buffer.from([1, 2])],
    ['a Uint8Array', new Uint8Array([1, 2])],
    ['an ArrayBuffer', new Uint8Array([1, 2]).buffer],
    ['a part of a larger buffer', new Uint8Array([0, 1, 2, 3]).subarray(1, 3)],
  ])('makes a binary frame of %s and takes only its own bytes', (_name, payload) => {
    const frame = Frame.of(payload);
    expect([frame.isBinary, frame.size, [...(frame.data as Buffer)]]).toEqual([true, 2, [1, 2]]);
  });

  it.each([false, true])('passes on a received message as what it was, without a copy (binary: %s)', (isBinary) => {
    const bytes = Buffer.from('ü');
    const frame = Frame.of(new Message(bytes, isBinary));
    expect([frame.data, frame.isBinary, frame.size]).toEqual([bytes, isBinary, 2]);
    expect(frame.data).toBe(bytes);
    expect([frame.text, frame.base64]).toEqual(['ü', bytes.toString('base64')]);
  });

  it('is copied when it is kept, once, if it is a small part of a network read', () => {
    const read = Buffer.allocUnsafeSlow(65_536).fill('x');
    const frame = Frame.of(new Message(read.subarray(10, 20), false));
    frame.keep();
    const { data } = frame;
    frame.keep();
    expect(frame.data).toBe(data);
    expect([(data as Buffer).buffer.byteLength, frame.text, frame.isBinary]).toEqual([10, 'x'.repeat(10), false]);
  });

  it('accepts an empty payload', () => {
    expect([Frame.of('').size, Frame.of(new Uint8Array()).size]).toEqual([0, 0]);
  });

  it('does not copy the bytes of the application', () => {
    const bytes = Buffer.from([1]);
    expect((Frame.of(bytes).data as Buffer).buffer).toBe(bytes.buffer);
  });

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'number'],
    [{ event: 'x' }, 'object'],
    [['x'], 'object'],
    [new Uint16Array(2), 'object'],
    [new DataView(new ArrayBuffer(1)), 'object'],
  ])('refuses %p with an error that says what to use instead', (payload, kind) => {
    expect(() => Frame.of(payload as never)).toThrow(TypeError);
    expect(() => Frame.of(payload as never)).toThrow(`got ${kind}: use emit(event, data) or JSON.stringify()`);
  });

  it('encodes a frame once for all receivers of one transport', () => {
    const encoder = jest.fn<Encoder>(() => Buffer.from('bytes'));
    const frame = Frame.of('x');
    expect(frame.encoded(encoder)).toBe(frame.encoded(encoder));
    expect(encoder.mock.calls).toEqual([[frame]]);
  });

  it('encodes a frame again for another transport', () => {
    const frame = Frame.of('x');
    const [one, two]: Encoder[] = [() => Buffer.from('1'), () => Buffer.from('2')];
    expect([one!, two!, one!].map((encoder) => frame.encoded(encoder).toString())).toEqual(['1', '2', '1']);
  });

  it('knows the most bytes that a text may have before it is measured', () => {
    const frame = new Frame('né');
    expect([frame.isMeasured, frame.atMost, frame.size, frame.atMost]).toEqual([false, 6, 3, 3]);
    expect([new Frame('').atMost, new Frame(Buffer.alloc(5)).atMost]).toEqual([0, 5]);
    frame.measured(4);
    expect([frame.size, frame.atMost, frame.isMeasured]).toEqual([4, 4, true]);
  });

  it('measures a frame once', () => {
    const byteLength = jest.spyOn(Buffer, 'byteLength');
    const frame = Frame.of('x'.repeat(1000));
    expect([frame.size, frame.size]).toEqual([1000, 1000]);
    expect(byteLength).toHaveBeenCalledTimes(1);
    byteLength.mockRestore();
  });
});
