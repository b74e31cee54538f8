import { fc } from '../../../../../test/support/properties.js';
import { takeMessage } from './message-memory.js';
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
