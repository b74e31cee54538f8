import { Frame } from '../../frame.js';
import { Message } from '../../message.js';
import { Memory } from './memory.js';
import { encodeFrame, outgoingHeaderLength, writeShort } from './encode.js';

const text = (data: string) => encodeFrame(Frame.of(data));
const binary = (length: number) => encodeFrame(Frame.of(Buffer.alloc(length, 0xab)));

describe('encodeFrame', () => {
  it('encodes text as the unmasked text message of RFC 6455 §5.7', () => {
    expect(text('Hello').toString('hex')).toBe('810548656c6c6f');
  });

  it('encodes bytes with opcode 2', () => {
    expect(encodeFrame(Frame.of(new Uint8Array([0, 255]))).toString('hex')).toBe('820200ff');
  });

  it.each([
    [0, '8200'],
    [1, '8201'],
    [125, '827d'],
    [126, '827e007e'],
    [127, '827e007f'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
    [1_048_576, '827f0000000000100000'],
  ])('encodes a payload of %d bytes as the header %s and all of its bytes', (length, header) => {
    const bytes = binary(length);
    const start = header.length / 2;
    expect(bytes.subarray(0, start).toString('hex')).toBe(header);
    expect(bytes.subarray(start).equals(Buffer.alloc(length, 0xab))).toBe(true);
  });

  it('encodes an empty text as a frame without a payload', () => {
    expect(text('').toString('hex')).toBe('8100');
  });

  it('counts the bytes of UTF-8 in the header, not the characters', () => {
    expect(text('é€🎈').toString('hex')).toBe('8109c3a9e282acf09f8e88');
    const long = text('é'.repeat(63));
    expect([long.subarray(0, 4).toString('hex'), long.length]).toEqual(['817e007e', 130]);
    expect(long.subarray(4).toString()).toBe('é'.repeat(63));
  });

  it('encodes a lone surrogate as the replacement character, so that the text stays valid UTF-8', () => {
    expect(text('\ud800').toString('hex')).toBe('8103efbfbd');
  });

  it('masks no frame', () => {
    for (const length of [0, 125, 126, 65_536]) expect(binary(length)[1]! & 0x80).toBe(0);
  });
});

describe('writeShort', () => {
  const texts = ['', 'a', 'é', '€🎈', '\ud800'].flatMap((character) =>
    [1, 20, 41, 42, 62, 63, 125, 126, 127, 1300].map((count) => character.repeat(count)),
  );

  it('writes what encodeFrame returns, and measures the frame', () => {
    for (const data of texts) {
      const frame = new Frame(data);
      const memory = new Memory(12_000);
      const bytes = memory.bytes.fill(0xee);
      const most = outgoingHeaderLength(frame.atMost) + frame.atMost;
      const end = writeShort(frame, memory, 7);
      const expected = encodeFrame(new Frame(data));
      expect(bytes.subarray(7, end).equals(expected)).toBe(true);
      expect([frame.isMeasured, frame.size, end <= 7 + most]).toEqual([true, Buffer.byteLength(data), true]);
      expect(bytes.subarray(0, 7).equals(Buffer.alloc(7, 0xee))).toBe(true);
      expect(bytes.subarray(7 + most).every((byte) => byte === 0xee)).toBe(true);
    }
  });

  it('writes bytes, received messages, and texts whose length is known', () => {
    const message = new Message(Buffer.alloc(150, 2), false);
    const bytes = Buffer.alloc(200, 1);
    for (const frame of [bytes, 'é'.repeat(70), 'x'.repeat(3000), message].map((payload) => Frame.of(payload))) {
      const { size } = frame;
      const memory = new Memory(4000);
      expect(memory.bytes.subarray(0, writeShort(frame, memory, 0)).equals(encodeFrame(frame))).toBe(true);
      expect(frame.size).toBe(size);
    }
  });
});
