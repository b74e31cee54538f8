/**
 * RFC 6455 and RFC 7692 as cases: the bytes of a client, and the events that a server must see. The families are those
 * of the well-known conformance suite for WebSockets.
 *
 * An event is an array: `['text', data]`, `['binary', data]`, `['ping', data]`, `['pong']`, `['close', code, reason]`,
 * `['fail', code]` when the server closes by itself. Nothing follows a close or a failure.
 */
import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { closeFrame, fragments, frame, OPCODE } from './frames.mjs';

const { continuation, text, binary, close, ping, pong } = OPCODE;

/** The limits of the reader in all cases. */
export const BOUNDS = { maxMessageBytes: 70_000, maxFragments: 64, maxBufferedChunks: 100_000 };

/** A payload as it stands in an event: long ones by their length and digest. */
export function described(payload) {
  const bytes = Buffer.from(payload);
  if (bytes.length <= 200) return bytes.toString('hex');
  return `${bytes.length} bytes ${createHash('sha1').update(bytes).digest('hex')}`;
}

const said = (payload) => ['text', described(payload)];
const sent = (payload) => ['binary', described(payload)];
const pinged = (payload) => ['ping', described(payload)];
const PONGED = ['pong'];
const BROKEN = ['fail', 1002];
const GARBLED = ['fail', 1007];
const TOO_MANY = ['fail', 1008];
const TOO_BIG = ['fail', 1009];

const all = [];
/** @param options `failsAfter`: the number of bytes after which the failure must be seen, whatever follows; `isCompressed` */
function add(family, name, frames, events, options = {}) {
  all.push({ family, name, bytes: Buffer.concat(frames), events, ...options });
}

/** Bytes of every value, so that a wrong key or a wrong place is seen. */
const pattern = (length) => Buffer.from({ length }, (_, index) => (index * 7) & 0xff);
const letters = (length) => 'abcdefghijklmnopqrstuvwxyz'.repeat(Math.ceil(length / 26)).slice(0, length);

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 31, 47, 48, 49, 125, 126, 127, 128, 1000];
const LONG_SIZES = [4095, 4096, 65_535, 65_536, 70_000];

for (const size of [...SIZES, ...LONG_SIZES]) {
  add('framing', `a text of ${size} bytes`, [frame(text, letters(size))], [said(letters(size))]);
  add('framing', `${size} binary bytes`, [frame(binary, pattern(size))], [sent(pattern(size))]);
}
for (const form of [16, 64]) {
  const name = `a length that is written in ${form} bits although 7 would do`;
  add('framing', name, [frame(text, 'hi', { form })], [said('hi')]);
}
for (const key of [
  [0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0x80],
]) {
  const name = `a masking key of ${Buffer.from(key).toString('hex')}`;
  add('framing', name, [frame(binary, pattern(99), { key: Buffer.from(key) })], [sent(pattern(99))]);
}
add('framing', 'no mask', [frame(text, 'hi', { isMasked: false })], [BROKEN], { failsAfter: 2 });
const words = Array.from({ length: 40 }, (_, index) => letters(index));
add(
  'framing',
  '40 messages in a row',
  words.map((word) => frame(text, word)),
  words.map(said),
);

for (const size of [0, 1, 47, 48, 125]) {
  add('pings', `a ping with ${size} bytes`, [frame(ping, pattern(size))], [pinged(pattern(size))]);
  add('pings', `a pong with ${size} bytes`, [frame(pong, pattern(size))], [PONGED]);
}
for (const opcode of [ping, pong]) {
  const name = `a control frame ${opcode} of 126 bytes`;
  add('pings', name, [frame(opcode, pattern(126))], [BROKEN], { failsAfter: 2 });
  add('pings', `${name} in fragments`, [frame(opcode, 'a', { fin: false })], [BROKEN], { failsAfter: 2 });
  add('pings', `a control frame ${opcode} without a mask`, [frame(opcode, '', { isMasked: false })], [BROKEN], {
    failsAfter: 2,
  });
}
add('pings', 'a pong that nobody asked for, and a ping', [frame(pong, 'a'), frame(ping, 'b')], [PONGED, pinged('b')]);
const ten = Array.from({ length: 10 }, (_, index) => `ping ${index}`);
add(
  'pings',
  'ten pings in a row',
  ten.map((one) => frame(ping, one)),
  ten.map(pinged),
);

for (let rsv = 1; rsv < 8; rsv++) {
  const options = { failsAfter: 2 };
  const hasNone = rsv === 4 ? { ...options, isPlainOnly: true } : options;
  add('reserved bits', `bits ${rsv} of a text`, [frame(text, 'hi', { rsv })], [BROKEN], hasNone);
  add('reserved bits', `bits ${rsv} of a ping`, [frame(ping, 'hi', { rsv })], [BROKEN], options);
  add('reserved bits', `bits ${rsv} of a close frame`, [frame(close, '', { rsv })], [BROKEN], options);
  const first = frame(text, 'a', { fin: false });
  const frames = [first, frame(continuation, 'b', { rsv })];
  add('reserved bits', `bits ${rsv} of a continuation`, frames, [BROKEN], { failsAfter: first.length + 2 });
  const before = frame(text, 'first');
  const later = [before, frame(binary, 'hi', { rsv }), frame(ping)];
  const where = { ...hasNone, failsAfter: before.length + 2 };
  add('reserved bits', `bits ${rsv} after a message`, later, [said('first'), BROKEN], where);
}

for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  add('opcodes', `opcode ${opcode}`, [frame(opcode)], [BROKEN], { failsAfter: 2 });
  add('opcodes', `opcode ${opcode} with a payload`, [frame(opcode, 'hi')], [BROKEN], { failsAfter: 2 });
  const before = frame(text, 'first');
  const frames = [before, frame(opcode, 'hi'), frame(ping)];
  add('opcodes', `opcode ${opcode} after a message`, frames, [said('first'), BROKEN], {
    failsAfter: before.length + 2,
  });
}

add('fragmentation', 'two fragments of text', fragments(text, ['Hel', 'lo']), [said('Hello')]);
add('fragmentation', 'two binary fragments', fragments(binary, [pattern(300), pattern(9)]), [
  sent(Buffer.concat([pattern(300), pattern(9)])),
]);
add('fragmentation', 'fragments of one byte', fragments(text, [...'fragments']), [said('fragments')]);
add('fragmentation', 'empty fragments', fragments(binary, ['', '', '']), [sent('')]);
add('fragmentation', 'an empty first and last fragment', fragments(text, ['', 'middle', '']), [said('middle')]);
const [first, second, third] = fragments(text, ['one', 'two', 'three']);
const control = [frame(ping, 'p'), frame(pong)];
add(
  'fragmentation',
  'control frames between fragments',
  [first, ...control, second, frame(ping), third],
  [pinged('p'), PONGED, pinged(''), said('onetwothree')],
);
add(
  'fragmentation',
  'two fragmented messages',
  [...fragments(text, ['a', 'b']), ...fragments(binary, ['c', 'd'])],
  [said('ab'), sent('cd')],
);
add(
  'fragmentation',
  'a fragmented message, and one that is not',
  [...fragments(text, ['a', 'b']), frame(text, 'c')],
  [said('ab'), said('c')],
);
const lone = { failsAfter: 2 };
add('fragmentation', 'a continuation of nothing', [frame(continuation, 'a')], [BROKEN], lone);
add(
  'fragmentation',
  'a continuation of nothing that is not the last',
  [frame(continuation, 'a', { fin: false })],
  [BROKEN],
  lone,
);
const whole = frame(text, 'whole');
add('fragmentation', 'a continuation of a whole message', [whole, frame(continuation)], [said('whole'), BROKEN], {
  failsAfter: whole.length + 2,
});
for (const opcode of [text, binary]) {
  const start = frame(text, 'a', { fin: false });
  const name = `opcode ${opcode} within a fragmented message`;
  add('fragmentation', name, [start, frame(opcode, 'b')], [BROKEN], { failsAfter: start.length + 2 });
}

const VALID = [
  'Hello-µ@ßöäüàá-UTF-8!!',
  'κόσμε',
  '\0',
  '\x7f',
  '\u0080\u07ff',
  '\u0800\ud7ff\ue000\uffff',
  '\ufdd0\ufffe',
  '\u{10000}\u{10ffff}\u{1fffe}',
  '😀'.repeat(20),
  `${'a'.repeat(61)}ä€😀`,
];
for (const one of VALID) {
  const name = `the text ${JSON.stringify(one)}`;
  add('UTF-8', name, [frame(text, one)], [said(one)]);
  const bytes = Buffer.from(one);
  if (bytes.length > BOUNDS.maxFragments) continue;
  const parts = [...bytes].map((byte) => [byte]);
  add('UTF-8', `${name} in fragments of a byte`, fragments(text, parts), [said(one)]);
}

/** Each ends with the byte that cannot stand where it stands. */
const INVALID = [
  '80', 'bf', 'c0', 'c1', 'f5', 'f8', 'fc', 'fe', 'ff', 'c220', 'c3c3', 'e080', 'e09f', 'e28220', 'e282c0', 'eda0', 'edbf',
  'f080', 'f08f', 'f490', 'f0908020', 'f09080c0', 'f1808041', 'cebae1bdb9cf83cebcceb5eda0', 'cebae1bdb9cf83cebcceb5f490',
  `${'61'.repeat(61)}80`, `${'61'.repeat(62)}e228`,
]; // prettier-ignore
for (const hex of INVALID) {
  const bad = Buffer.from(hex, 'hex');
  const rest = Buffer.from('edited');
  const full = frame(text, Buffer.concat([bad, rest]));
  const failsAfter = full.length - rest.length;
  add('UTF-8', `the bytes ${hex}`, [full], [GARBLED], { failsAfter, isLateWithWs: true });
  add('UTF-8', `the bytes ${hex}, and no more`, [frame(text, bad)], [GARBLED]);
  const parts = fragments(text, [bad.subarray(0, -1), Buffer.concat([bad.subarray(-1), rest]), 'more']);
  const place = parts[0].length + parts[1].length - rest.length;
  add('UTF-8', `the bytes ${hex} over two fragments`, parts, [GARBLED], { failsAfter: place, isLateWithWs: true });
  add('UTF-8', `the bytes ${hex} as binary`, [frame(binary, bad)], [sent(bad)]);
  add(
    'UTF-8',
    `the bytes ${hex} in a close reason`,
    [closeFrame(1000, bad)].filter(() => bad.length < 120),
    [GARBLED],
  );
}
for (const hex of ['c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98', '61c3', 'cebae1bd']) {
  const bytes = Buffer.from(hex, 'hex');
  add('UTF-8', `a text that ends within a character: ${hex}`, [frame(text, bytes)], [GARBLED]);
  add('UTF-8', `a text in fragments that ends within a character: ${hex}`, fragments(text, [bytes, '']), [GARBLED]);
  const pair = [frame(text, bytes, { fin: false }), frame(ping, 'p')];
  add('UTF-8', `a character that is not finished: ${hex}`, pair, [pinged('p')]);
}

const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
for (const code of CODES) add('closing', `the code ${code}`, [closeFrame(code, 'bye')], [['close', code, 'bye']]);
for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
  add('closing', `the code ${code}, which must not be sent`, [closeFrame(code, 'bye')], [BROKEN]);
}
add('closing', 'no code', [closeFrame()], [['close', 1005, '']]);
add('closing', 'a code without a reason', [closeFrame(1000)], [['close', 1000, '']]);
add('closing', 'a payload of one byte', [frame(close, 'a')], [BROKEN], { failsAfter: 2 });
add('closing', 'a reason of 123 bytes', [closeFrame(1000, letters(123))], [['close', 1000, letters(123)]]);
add('closing', 'a reason of 124 bytes', [closeFrame(1000, letters(124))], [BROKEN], { failsAfter: 2 });
add('closing', 'a reason outside ASCII', [closeFrame(4000, 'tschüß €')], [['close', 4000, 'tschüß €']]);
add('closing', 'a fragmented close frame', [frame(close, '', { fin: false })], [BROKEN], { failsAfter: 2 });
add(
  'closing',
  'messages before and after',
  [frame(text, 'a'), closeFrame(1000), frame(text, 'b'), frame(ping)],
  [said('a'), ['close', 1000, '']],
);
add('closing', 'two close frames', [closeFrame(1000), closeFrame(1001)], [['close', 1000, '']]);
add(
  'closing',
  'a close frame between fragments',
  [frame(text, 'a', { fin: false }), closeFrame(4000, 'no')],
  [['close', 4000, 'no']],
);
add(
  'closing',
  'bytes that break every rule after it',
  [closeFrame(1000), Buffer.alloc(99, 0xff)],
  [['close', 1000, '']],
);

const { maxMessageBytes: max, maxFragments } = BOUNDS;
for (const length of [max + 1, 2 ** 32, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
  const header = frame(binary, '', { length });
  const failsAfter = header.length - 4;
  add('limits', `a header that announces ${length} bytes`, [header], [TOO_BIG], { failsAfter });
}
const largest = frame(binary, pattern(max), { fin: false });
const more = frame(continuation, 'a', { fin: false });
add('limits', 'fragments that are too long together', [largest, more], [TOO_BIG], {
  failsAfter: largest.length + 2,
  isLong: true,
});
add('limits', 'fragments that are as long as a message may be', [largest, frame(continuation)], [sent(pattern(max))], {
  isLong: true,
});
const many = (count) =>
  fragments(
    text,
    Array.from({ length: count }, () => 'a'),
  );
add('limits', 'as many fragments as a message may have', many(maxFragments), [said('a'.repeat(maxFragments))]);
add('limits', 'one fragment too many', many(maxFragments + 1), [TOO_MANY]);
add(
  'limits',
  'as many fragments in each of two messages',
  [...many(maxFragments), ...many(maxFragments)],
  [said('a'.repeat(maxFragments)), said('a'.repeat(maxFragments))],
);

const deflated = (payload) => deflateRawSync(payload, { finishFlush: 2 }).subarray(0, -4);
const packed = { isCompressed: true };
/** A long one that does not shrink to nothing. */
const story = Array.from({ length: 200 }, (_, index) => `${index} ${letters(index % 26)}`).join('\n');
for (const one of ['', 'a', 'Hello', letters(2000), story]) {
  const name = `a message of ${one.length} bytes`;
  add('compression', `${name}, compressed`, [frame(text, deflated(one), { rsv: 4 })], [said(one)], packed);
  const parts = [deflated(one).subarray(0, 3), deflated(one).subarray(3)];
  const pair = [frame(text, parts[0], { rsv: 4, fin: false }), frame(continuation, parts[1])];
  add('compression', `${name}, compressed, in fragments`, pair, [said(one)], packed);
  add('compression', `${name}, not compressed`, [frame(text, one)], [said(one)], packed);
}
const mixed = [
  frame(text, deflated('a'), { rsv: 4 }),
  frame(text, 'b'),
  frame(ping, 'p'),
  frame(binary, deflated('c'), { rsv: 4 }),
];
add('compression', 'compressed and plain messages, in order', [...mixed, closeFrame(1000)], [
  ...[said('a'), said('b'), pinged('p'), sent('c')],
  ['close', 1000, ''],
], packed); // prettier-ignore
add('compression', 'a continuation that is marked as compressed', [
  frame(text, deflated('a'), { rsv: 4, fin: false }),
  frame(continuation, '', { rsv: 4 }),
], [BROKEN], packed); // prettier-ignore
add(
  'compression',
  'bytes that cannot be inflated',
  [frame(text, Buffer.alloc(100, 0xff), { rsv: 4 })],
  [GARBLED],
  packed,
);
add(
  'compression',
  'a text that is not UTF-8',
  [frame(text, deflated(Buffer.from([0x80])), { rsv: 4 })],
  [GARBLED],
  packed,
);
add(
  'compression',
  'a message that is too long',
  [frame(text, deflated('a'.repeat(max + 1)), { rsv: 4 })],
  [TOO_BIG],
  packed,
);

/** Every case: `family`, `name`, `bytes`, `events`, and the options of `add()`. */
export const cases = all.filter(({ bytes }) => bytes.length > 0);
