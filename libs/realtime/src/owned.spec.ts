import { owned } from './owned.js';

describe('owned', () => {
  const read = Buffer.allocUnsafeSlow(65_536).fill(7);

  it.each([
    ['a slice of a network read', read.subarray(100, 140)],
    ['a short buffer of the pool', Buffer.from('hello')],
    ['an empty slice of a network read', read.subarray(5, 5)],
    ['less than half of its buffer', read.subarray(0, 32_000)],
  ])('copies %s into memory of its own length', (_what, bytes) => {
    const copy = owned(bytes);
    expect(copy.equals(bytes)).toBe(true);
    expect(copy.buffer.byteLength).toBe(bytes.length);
  });

  it.each([
    ['a whole buffer', read],
    ['more than half of its buffer', read.subarray(100, 40_000)],
    ['a slice of a buffer that is itself small', Buffer.allocUnsafeSlow(1024).subarray(3, 4)],
  ])('returns %s as it is', (_what, bytes) => {
    expect(owned(bytes)).toBe(bytes);
  });
});
