import { newToken, nodeOfToken } from './token.js';

describe('A token', () => {
  it('names its node, and cannot be guessed', () => {
    const tokens = Array.from({ length: 100 }, () => newToken('YMw8vNRo20tX'));
    expect(new Set(tokens).size).toBe(100);
    for (const token of tokens) {
      expect(token).toMatch(/^YMw8vNRo20tX[\w-]{32}$/);
      expect(nodeOfToken(token)).toBe('YMw8vNRo20tX');
    }
  });

  it.each(['', 'YMw8vNRo20tX', 'a'.repeat(43), 'a'.repeat(45), `${'a'.repeat(43)}.`])(
    'is not %p, which has no node',
    (text) => {
      expect(nodeOfToken(text)).toBeUndefined();
    },
  );
});
