import { fc } from '../../../../../test/support/properties.js';
import { Memory } from './memory.js';
import { copyMessage, takeMessage } from './message-memory.js';
import { MEMORY } from './read-buffer.js';

/** Writes a masked payload behind its key, between bytes of other frames. @returns where it starts */
function write(payload: Buffer, at: number): number {
  MEMORY.fill(0x81, 0, at + payload.length + 12);
  const key = Buffer.from([0x12, 0xf4, 0x56, 0x78]);
  key.copy(MEMORY, at);
  payload.forEach((byte, index) => (MEMORY[at + 4 + index] = byte ^ key[index & 3]!));
  return at + 4;
}

function take(payload: Buffer, { at = 0, isBinary = true } = {}) {
  return takeMessage(isBinary, write(payload, at), payload.length);
}

const payloads = fc
  .tuple(fc.oneof(fc.nat(70), fc.integer({ min: 1000, max: 1050 }), fc.nat(9000)), fc.nat(255))
  .map(([length, seed]) => Buffer.from(Array.from({ length }, (_, index) => seed + index * 31)));

it('gives each message bytes that messages after it do not change', () => {
  const run = (all: Buffer[], at: number) => {
    const messages = all.map((payload, index) => take(payload, { at: at + (index % 4) })!);
    MEMORY.fill(0xee);
    expect(messages.map((message, index) => message.bytes().equals(all[index]!))).toEqual(all.map(() => true));
    expect(messages.map(({ size }) => size)).toEqual(all.map(({ length }) => length));
  };
  fc.assert(fc.property(fc.array(payloads, { maxLength: 30 }), fc.nat(8), run), { numRuns: 100 });
});

it('puts short messages side by side, and never more than a small slab of them', () => {
  const memories = new Set(Array.from({ length: 100 }, () => take(Buffer.alloc(60))!.bytes().buffer));
  expect(memories.size).toBeLessThanOrEqual(2);
  expect([...memories].map(({ byteLength }) => byteLength)).toEqual([...memories].map(() => 8192));
});

it.each([1, 5, 60, 1024, 1025, 5000])('takes a text of %i characters that is UTF-8, and no other', (count) => {
  for (let at = 0; at < 4; at++) {
    expect(take(Buffer.from('é'.repeat(count)), { at, isBinary: false })?.text()).toBe('é'.repeat(count));
    expect(take(Buffer.from('x'.repeat(count)), { at, isBinary: false })?.text()).toBe('x'.repeat(count));
    for (const wrong of [0, count >> 1, count - 1]) {
      const broken = Buffer.alloc(count, 'x');
      broken[wrong] = 0xff;
      expect([wrong, take(broken, { at, isBinary: false })]).toEqual([wrong, undefined]);
      expect(take(broken, { at })?.bytes().equals(broken)).toBe(true);
    }
  }
});

it('takes a message without bytes', () => {
  expect([take(Buffer.alloc(0), { isBinary: false })?.text(), take(Buffer.alloc(0))?.size]).toEqual(['', 0]);
});

it("copies a message between other bytes, however it lies, and when newer ones have taken its memory's place", () => {
  const run = (payload: Buffer, at: number, to: number, later: number) => {
    const message = take(payload, { at })!;
    for (let i = 0; i < later; i++) take(Buffer.alloc(1000));
    const target = new Memory(10_000);
    target.bytes.fill(0xee);
    const expected = Buffer.alloc(10_000, 0xee);
    payload.copy(expected, to);
    for (let turn = 0; turn < 2; turn++) {
      expect([copyMessage(message, target, to), target.bytes.equals(expected)]).toEqual([to + payload.length, true]);
      // Once asked for, its bytes are a Buffer
      expect(message.bytes().equals(payload)).toBe(true);
    }
  };
  const shorter = payloads.filter(({ length }) => length > 0);
  fc.assert(fc.property(shorter, fc.nat(8), fc.nat(9), fc.nat(9), run), { numRuns: 200 });
});
