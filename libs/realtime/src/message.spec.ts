import { jest } from '@jest/globals';
import { MessageError } from './errors.js';
import { Message } from './message.js';

const message = (text: string) => new Message(Buffer.from(text), false);

describe('a message', () => {
  it('reports its length in bytes and its kind', () => {
    expect([message('é').size, message('').size, message('x').isBinary]).toEqual([2, 0, false]);
    expect(new Message(Buffer.alloc(3), true)).toMatchObject({ size: 3, isBinary: true });
  });

  it('returns its bytes without copying them', () => {
    const bytes = Buffer.from([0, 255]);
    expect(new Message(bytes, true).bytes()).toBe(bytes);
  });

  it('may be a part of longer memory', () => {
    const memory = Buffer.from('"a" and "é"');
    const read = () => new Message(memory, false, 8);
    expect([read().size, read().text(), read().json(), read().bytes().toString()]).toEqual([4, '"é"', 'é', '"é"']);
    const part = new Message(memory, false, 0, 3);
    expect([part.bytes().toString(), part.text(), part.size]).toEqual(['"a"', '"a"', 3]);
    expect(part.bytes()).toBe(part.bytes());
    expect(part.bytes().buffer).toBe(memory.buffer);
  });

  it.each([4, 300])('finds bytes in its own %i bytes only, and no part of them', (length) => {
    const mark = Buffer.from('rt:');
    const memory = Buffer.alloc(length + 20, '.');
    const holds = (at: number) => {
      const data = Buffer.from(memory);
      mark.copy(data, at);
      return new Message(data, false, 10, 10 + length).holds(mark);
    };
    expect([10, 10 + length - 3].map(holds)).toEqual([true, true]);
    expect([0, 7, 9, 10 + length - 2, 10 + length].map(holds)).toEqual([false, false, false, false, false]);
    expect(new Message(Buffer.from('r'), false).holds(mark)).toBe(false);
    expect(new Message(Buffer.from('rrt:'), false).holds(mark)).toBe(true);
  });

  it('returns its text as UTF-8, even of a binary message', () => {
    expect([message('héllo 🎈').text(), new Message(Buffer.from('€'), true).text()]).toEqual(['héllo 🎈', '€']);
  });

  it('returns its JSON', () => {
    expect(message('{"a":[1,null]}').json()).toEqual({ a: [1, null] });
    expect([message('null').json(), message('0').json(), message('false').json()]).toEqual([null, 0, false]);
  });

  it('decodes a message only on demand, and only once', () => {
    const bytes = Buffer.from('{"a":1}');
    const toText = jest.spyOn(bytes, 'toString');
    const read = new Message(bytes, false);
    expect([read.size, read.isBinary, toText.mock.calls.length]).toEqual([7, false, 0]);
    expect(read.json()).toBe(read.json());
    expect([read.text(), read.text()]).toEqual(['{"a":1}', '{"a":1}']);
    expect(toText).toHaveBeenCalledTimes(1);
  });

  it('parses JSON that is null only once', () => {
    const parse = jest.spyOn(JSON, 'parse');
    const read = message('null');
    read.json();
    read.json();
    expect(parse).toHaveBeenCalledTimes(1);
    parse.mockRestore();
  });

  it.each(['', '{', 'undefined', "{'a':1}", '\u0000'])(
    'refuses %j as JSON with an error that the client may see',
    (text) => {
      const bad = message(text);
      expect(() => bad.json()).toThrow(MessageError);
      const data = { status: 'error', code: 'bad_json', message: 'The message is not valid JSON' };
      expect(() => bad.json()).toThrow(expect.objectContaining({ code: 'bad_json', data }));
    },
  );

  it('keeps the cause of bad JSON for the log and hides it from the client', () => {
    try {
      message('{"secret":').json();
      throw new Error('not reached');
    } catch (error) {
      expect((error as Error).cause).toBeInstanceOf(SyntaxError);
      expect(JSON.stringify((error as MessageError).data)).not.toContain('secret');
    }
  });

  it('does not let JSON reach a prototype', () => {
    const value = message('{"__proto__":{"polluted":true}}').json<{ polluted?: boolean }>();
    expect([value.polluted, ({} as { polluted?: boolean }).polluted]).toEqual([undefined, undefined]);
  });
});
