import { jest } from '@jest/globals';
import { fc } from '../../../../../test/support/properties.js';

const lengths = fc.oneof(
  fc.nat(20),
  fc.integer({ min: 40, max: 60 }),
  fc.integer({ min: 120, max: 130 }),
  fc.nat(20_000),
);
/** ASCII, any bytes, or ASCII but for one byte. */
const payloads = fc
  .tuple(lengths, fc.nat(255), fc.constantFrom(0x7f, 0xff), fc.option(fc.nat()))
  .map(([length, seed, most, place]) => {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => (seed + index * 31) & most));
    if (place !== null && length > 0) bytes[place % length]! |= 0x80;
    return bytes;
  });
const keys = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes));

const isAscii = (bytes: Buffer) => bytes.every((byte) => byte < 0x80);
const isUntouched = (...parts: Buffer[]) => parts.every((part) => part.every((byte) => byte === 0xaa));

/** Loads the module anew, in a process that has WebAssembly, or has none. */
async function load(hasVectors: boolean) {
  const { WebAssembly } = globalThis as { WebAssembly?: unknown };
  jest.resetModules();
  if (!hasVectors) Reflect.deleteProperty(globalThis, 'WebAssembly');
  try {
    return { ...(await import('./read-buffer.js')), ...(await import('./unmask.js')) };
  } finally {
    Object.assign(globalThis, { WebAssembly });
  }
}

describe.each([
  ['with vector instructions', true],
  ['in JavaScript alone', false],
])('unmasking %s', (_name, hasVectors) => {
  let parts: Awaited<ReturnType<typeof load>>;

  beforeAll(async () => {
    parts = await load(hasVectors);
  });

  it('has them only where there is WebAssembly', () => {
    expect(parts.VECTOR !== undefined).toBe(hasVectors);
  });

  /** Writes a key and the masked payload behind it, between bytes that must stay as they are. */
  function write(at: number, key: Buffer, payload: Buffer): { key: number; start: number; end: number } {
    const { MEMORY, keyAt } = parts;
    MEMORY.fill(0xaa);
    key.copy(MEMORY, at);
    const start = at + 4;
    payload.forEach((byte, index) => (MEMORY[start + index] = byte ^ key[index & 3]!));
    return { key: keyAt(at), start, end: start + payload.length };
  }

  it('unmasks a payload at any place and of any length, and no other byte', () => {
    const { MEMORY, unmask } = parts;
    const run = (payload: Buffer, keyBytes: Buffer, at: number) => {
      const { key, start, end } = write(at, keyBytes, payload);
      expect(unmask(start, end, key)).toBe(isAscii(payload));
      expect(MEMORY.subarray(start, end).equals(payload)).toBe(true);
      expect(isUntouched(MEMORY.subarray(0, at), MEMORY.subarray(end))).toBe(true);
    };
    fc.assert(fc.property(payloads, keys, fc.nat(16), run), { numRuns: 300 });
  });

  it('unmasks a payload in two parts, with the key turned between them', () => {
    const { MEMORY, turned, unmask } = parts;
    const run = (payload: Buffer, keyBytes: Buffer, at: number, cut: number) => {
      const { key, start, end } = write(at, keyBytes, payload);
      const middle = start + (cut % (payload.length + 1));
      unmask(start, middle, key);
      unmask(middle, end, turned(key, middle - start));
      expect(MEMORY.subarray(start, end).equals(payload)).toBe(true);
    };
    fc.assert(fc.property(payloads, keys, fc.nat(16), fc.nat(), run), { numRuns: 300 });
  });

  it('copies a payload unmasked, and reports whether it is ASCII', () => {
    const { copyUnmasked } = parts;
    const run = (payload: Buffer, keyBytes: Buffer, at: number) => {
      const { key, start } = write(at, keyBytes, payload);
      const target = Buffer.alloc(payload.length);
      expect(copyUnmasked(target, start, key)).toBe(isAscii(payload));
      expect(target.equals(payload)).toBe(true);
    };
    fc.assert(fc.property(payloads, keys, fc.nat(16), run), { numRuns: 300 });
  });

  it('copies the words of a payload unmasked, and judges its own bytes alone', () => {
    const { copyUnmaskedWords } = parts;
    const run = (payload: Buffer, keyBytes: Buffer, at: number, to: number) => {
      const { start, end } = write(at, keyBytes, payload);
      const words = new Int32Array(5010).fill(0x55555555);
      const lastWord = to + ((end - 1) >> 2) - (start >> 2);
      expect(copyUnmaskedWords(words, to, start, end)).toBe(isAscii(payload));
      expect(Buffer.from(words.buffer, to * 4 + (start & 3), payload.length).equals(payload)).toBe(true);
      expect([...words.subarray(0, to), ...words.subarray(lastWord + 1)].every((word) => word === 0x55555555)).toBe(
        true,
      );
    };
    const some = payloads.filter(({ length }) => length > 0);
    fc.assert(fc.property(some, keys, fc.nat(16), fc.nat(5), run), { numRuns: 300 });
  });
});
