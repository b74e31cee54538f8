import { fc } from '../../../test/support/properties.js';
import { bytesField, errorField, field, quotedField, stackOf } from './log.js';

/** Characters that could end a line, start a terminal's escape sequence or turn the text around. */
const DANGEROUS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom(...'"\\ =\r\n\t\u2028'), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' })),
});

describe('a field', () => {
  it('leaves a harmless field as it is', () => {
    expect(['/ws', 'ann@example.com', 'Zoë', '日本', 'a:b;c'].map(field)).toEqual([
      '/ws',
      'ann@example.com',
      'Zoë',
      '日本',
      'a:b;c',
    ]);
  });

  it('quotes a field that is empty or holds a space, a quote or an equals sign', () => {
    expect(['', 'a b', 'a=b', 'say "hi"'].map(field)).toEqual(['""', '"a b"', '"a=b"', '"say \\"hi\\""']);
  });

  it.each([
    ['a carriage return and a line feed', 'x\r\ny', 'x\\x0d\\x0ay'],
    ['an ANSI escape', '\u001b[31mred', '\\x1b[31mred'],
    ['an 8-bit ANSI escape', '\u009b31mred', '\\x9b31mred'],
    ['a next line', 'x\u0085y', 'x\\x85y'],
    ['a line separator', 'x\u2028y', 'x\\x2028y'],
    ['a null', 'x\u0000y', 'x\\x00y'],
    ['a backspace and a delete', '\b\u007f', '\\x08\\x7f'],
    ['a right-to-left override', 'x\u202ey', 'x\\x202ey'],
    ['an isolate', 'x\u2066y', 'x\\x2066y'],
    ['a right-to-left mark', 'x\u200fy', 'x\\x200fy'],
    ['an Arabic letter mark', 'x\u061cy', 'x\\x61cy'],
  ])('shows %s as an escape', (_name, text, shown) => {
    expect([field(text), quotedField(text)]).toEqual([shown, `"${shown}"`]);
  });

  it('cuts a field of a mebibyte, so that it does not fill the disk', () => {
    const shown = field('x'.repeat(2 ** 20));
    expect(shown).toBe(`${'x'.repeat(200)}…`);
    expect(field('\n'.repeat(2 ** 20)).length).toBeLessThan(1000);
    expect(quotedField('"'.repeat(2 ** 20)).length).toBeLessThan(1000);
  });

  it('makes a harmless field of any text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(field(text)).not.toMatch(DANGEROUS);
        expect(quotedField(text)).not.toMatch(DANGEROUS);
        expect(errorField(new Error(text))).not.toMatch(DANGEROUS);
      }),
    );
  });

  it('makes one quoted value of any text', () => {
    const quoted = /^(?:[^\s"=]+|"(?:[^"\\]|\\.)*")$/u;
    fc.assert(
      fc.property(anyText, (text) => {
        expect(field(text)).toMatch(quoted);
        expect(quotedField(text)).toMatch(/^"(?:[^"\\]|\\.)*"$/u);
      }),
    );
  });

  it.each(['x\\', '\\"', '" by=server x="', '\\" by=server'])(
    'does not let %j end its quotes and forge another field',
    (text) => {
      const line = `reason=${quotedField(text)} by=client`;
      expect([...line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]+)/gu)].map(([, name]) => name)).toEqual([
        'reason',
        'by',
      ]);
      expect(line.replace(/"(?:[^"\\]|\\.)*"/u, '…')).toBe('reason=… by=client');
    },
  );
});

describe('a quoted field', () => {
  it('puts a quoted field into exactly one pair of quotes', () => {
    expect(['', 'bye', 'a b', '"', '""', '"x"'].map(quotedField)).toEqual([
      '""',
      '"bye"',
      '"a b"',
      '"\\""',
      '"\\"\\""',
      '"\\"x\\""',
    ]);
  });
});

describe('an error in a line', () => {
  it('shows the name and message of an error on one line', () => {
    expect(errorField(new TypeError('no\nway'))).toBe('"TypeError: no\\x0away"');
  });

  it.each<[unknown, string]>([
    ['text', '"text"'],
    [undefined, '"undefined"'],
    [null, '"null"'],
    [5, '"5"'],
    [Symbol('odd'), '"Symbol(odd)"'],
    [{}, '"[object Object]"'],
  ])('shows %p when it was thrown', (thrown, shown) => {
    expect(errorField(thrown)).toBe(shown);
  });

  it.each<[string, unknown]>([
    ['has no prototype', Object.create(null)],
    [
      'throws when it is shown',
      {
        toString: () => {
          throw new Error('no');
        },
      },
    ],
    [
      'is an error whose message throws',
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error('no');
        },
      }),
    ],
    [
      'is an error whose message cannot be shown',
      Object.assign(new Error(), { message: Object.create(null) as string }),
    ],
    ['is a revoked proxy', revoked()],
  ])('shows a thrown value without throwing when it %s', (_name, thrown) => {
    expect(() => errorField(thrown)).not.toThrow();
    expect(errorField(thrown)).toMatch(/^".*"$/);
    expect(() => stackOf(thrown)).not.toThrow();
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('a stack', () => {
  it('returns the stack of an error, and of nothing else', () => {
    expect(stackOf(new Error('x'))).toContain('log.spec');
    expect([stackOf('text'), stackOf(undefined), stackOf({ stack: 'fake' })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("keeps lines that a client's text forged out of the stack", () => {
    const stack = stackOf(new Error('no room x\n[Nest] 1 - LOG forged\r\u001b[2K\u2028also forged'))!;
    const [, ...lines] = stack.split(/[\r\n\u2028\u2029]/u);
    expect(lines.filter((line) => !/^ {4}at /.test(line))).toEqual([]);
  });
});

describe('bytes', () => {
  it('formats bytes for people', () => {
    expect([0, 213, 999, 1000, 1234, 999_949, 1_000_000, 3_400_000].map(bytesField)).toEqual([
      ...['0B', '213B', '999B', '1.0kB', '1.2kB', '999.9kB', '1.0MB', '3.4MB'],
    ]);
  });
});
