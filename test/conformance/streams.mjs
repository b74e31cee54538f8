/**
 * Random streams of bytes for both readers without compression, receiver.ts and ws: they must see the same events and
 * fail with the same code. These differences are intended:
 *
 * - `early`: receiver.ts fails with 1007 at the byte that makes a text invalid, ws at the end of the message. What ws
 *   sees in between (pings, a close frame, another broken rule, or the end of the stream) is not compared.
 * - `chunks`: ws counts the reads of headers and control frames towards `maxBufferedChunks` too. They are bounded by
 *   their own length, so receiver.ts counts those of messages only.
 */
import { isUtf8 } from 'node:buffer';
import { cut, frame } from './frames.mjs';
import { Draw } from '../fuzz/hooks/draw.mjs';
import { PlainReader, WsReader } from './readers.mjs';

/** Small enough that random streams often reach them. */
export const BOUNDS = { maxMessageBytes: 400, maxFragments: 4, maxBufferedChunks: 16 };

/** Numbers from 0 to 1, always the same ones for a seed. */
export function seeded(seed) {
  const draw = new Draw(seed);
  return () => draw.unit();
}

const below = (random, count) => Math.floor(random() * count);
const one = (random, list) => list[below(random, list.length)];

const TEXTS = ['', 'a', 'hello', 'ä', '€', '😀', 'x'.repeat(47), 'y'.repeat(130), `${'z'.repeat(60)}ß`].map((text) =>
  Buffer.from(text),
);
const BROKEN_TEXTS = ['80', 'c3', 'e282', 'f09f98', 'c328', 'eda080', 'f4908080', '6162ff63'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

function payloadOf(random) {
  const kind = random();
  if (kind < 0.6) return one(random, TEXTS);
  if (kind < 0.7) return one(random, BROKEN_TEXTS);
  const length = one(random, [below(random, 8), below(random, 130), below(random, 420)]);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = below(random, 256);
  return bytes;
}

/** One frame: nearly always one that may stand here, sometimes any. @returns its bytes, and whether a message is open after it */
function frameOf(random, isOpen) {
  const key = Buffer.from([below(random, 256), below(random, 256), below(random, 256), below(random, 256)]);
  const kind = random();
  const payload = payloadOf(random);
  if (kind < 0.03) {
    const rsv = random() < 0.5 ? 0 : below(random, 8);
    const isMasked = random() < 0.8;
    return { bytes: frame(below(random, 16), payload, { key, rsv, isMasked, fin: random() < 0.8 }), isOpen };
  }
  if (kind < 0.05) return { bytes: closeFrameOf(random, key), isOpen };
  if (kind < 0.2) return { bytes: frame(one(random, [9, 10]), payload.subarray(0, 125), { key }), isOpen };
  const fin = random() < 0.7;
  const form = random() < 0.05 ? one(random, [16, 64]) : undefined;
  const length = random() < 0.02 ? below(random, 2 ** 32) : payload.length;
  const opcode = isOpen ? 0 : one(random, [1, 1, 1, 2]);
  return {
    bytes: frame(opcode, payload, { key, fin, length, form: length === payload.length ? form : 64 }),
    isOpen: !fin,
  };
}

function closeFrameOf(random, key) {
  const code = one(random, [1000, 1001, 1005, 3000, 4999, 5000, below(random, 65_536)]);
  const reason = one(random, [...TEXTS.slice(0, 6), ...BROKEN_TEXTS]);
  return frame(8, random() < 0.1 ? '' : Buffer.concat([Buffer.from([code >> 8, code & 0xff]), reason]), { key });
}

/** @returns a stream, as the chunks in which it arrives */
export function streamOf(random) {
  const frames = [];
  let isOpen = false;
  for (let left = 1 + below(random, 6); left > 0; left--) {
    const next = frameOf(random, isOpen);
    frames.push(next.bytes);
    isOpen = next.isOpen;
  }
  const bytes = Buffer.concat(frames);
  if (random() < 0.1) bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
  const most = one(random, [0, 0, 1, 2, 5, bytes.length - 1]);
  if (most === bytes.length - 1) return cut(bytes, [...bytes.keys()].slice(1));
  const places = new Set(Array.from({ length: most }, () => below(random, bytes.length)));
  return cut(
    bytes,
    [...places].filter((place) => place > 0).sort((a, b) => a - b),
  );
}

/** Feeds ws without its queue, which would take a turn of the event loop per stream. */
class DirectWsReader extends WsReader {
  feed(chunk) {
    if (!this.isOver)
      this.receiver._write(Buffer.from(chunk), 'buffer', (error) => error && this.fail(this.rule(error)));
  }
}

/** Follows a stream by a second, plain implementation: where its bytes end, is a text open, and what is in it? */
function follow(bytes) {
  let text;
  for (let at = 0; at < bytes.length;) {
    const [first, second] = [bytes[at], bytes[at + 1]];
    const opcode = first & 15;
    const short = second & 127;
    const start = at + (short < 126 ? 6 : short === 126 ? 8 : 14);
    if (second === undefined || start > bytes.length) return { text, isControl: opcode >= 8, isInHeader: true };
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    const end = Math.min(start + length, bytes.length);
    const payload = bytes.subarray(start, end).map((byte, index) => byte ^ bytes[start - 4 + (index & 3)]);
    if (opcode === 1) text = payload;
    else if (opcode === 0 && text) text = Buffer.concat([text, payload]);
    if (start + length > bytes.length) return { text, isControl: opcode >= 8, isInHeader: false };
    if (opcode < 8 && first & 128 && end < bytes.length) text = undefined;
    if (opcode === 8) return { text: payload.subarray(2), isControl: true, isInHeader: false };
    at = end;
  }
  return { text, isControl: false, isInHeader: false };
}

const ENDS = [0x80, 0x90, 0x9f, 0xa0, 0xbf].flatMap((byte) => [[byte], [byte, 0x80], [byte, 0x80, 0x80]]);
const mayBeText = (bytes) => [[], ...ENDS].some((end) => isUtf8(Buffer.concat([bytes, Buffer.from(end)])));

/** @returns the name of the intended difference, or undefined */
function intended(plain, ws, chunks, failedAt) {
  const last = plain.events.at(-1);
  const before = JSON.stringify(plain.events.slice(0, -1));
  const isPrefix = JSON.stringify(ws.events.slice(0, plain.events.length - 1)) === before;
  if (last?.[0] === 'fail' && last[1] === 1007 && isPrefix) {
    const { text } = follow(firstBad(chunks, failedAt));
    return text && !mayBeText(text) ? 'early' : undefined;
  }
  const failure = ws.events.at(-1);
  const isMore = JSON.stringify(plain.events.slice(0, ws.events.length - 1)) === JSON.stringify(ws.events.slice(0, -1));
  if (failure?.[0] !== 'fail' || failure[1] !== 1008 || !isMore) return undefined;
  const { isControl, isInHeader } = follow(Buffer.concat(chunks.slice(0, ws.chunks - 1)));
  return isControl || isInHeader ? 'chunks' : undefined;
}

/** The bytes up to the frame in which the text became invalid: at most the chunk in which the reader failed. */
function firstBad(chunks, failedAt) {
  const before = Buffer.concat(chunks.slice(0, failedAt - 1));
  const chunk = chunks[failedAt - 1];
  for (let length = 1; length < chunk.length; length++) {
    const bytes = Buffer.concat([before, chunk.subarray(0, length)]);
    const { text, isInHeader } = follow(bytes);
    if (!isInHeader && text && !mayBeText(text)) return bytes;
  }
  return Buffer.concat([before, chunk]);
}

/**
 * Feeds one stream to both readers.
 *
 * @param modules what the readers need of the library
 * @returns `same`, or the name of an intended difference
 * @throws Error for any other difference
 */
export function compare(modules, chunks) {
  const plain = new PlainReader(modules, BOUNDS);
  const ws = new DirectWsReader(modules, BOUNDS, false);
  ws.rule = modules.brokenRule;
  let failedAt = 0;
  ws.chunks = 0;
  for (const chunk of chunks) {
    if (!plain.isOver) failedAt++;
    if (!ws.isOver) ws.chunks++;
    plain.feed(chunk);
    ws.feed(chunk);
  }
  const [found, expected] = [JSON.stringify(plain.events), JSON.stringify(ws.events)];
  if (found === expected) return 'same';
  const name = intended(plain, ws, chunks, failedAt);
  if (name) return name;
  const where = `${Buffer.concat(chunks).toString('hex')} in chunks of ${chunks.map(({ length }) => length)}`;
  throw new Error(`The readers differ for ${where}\n  receiver.ts ${found}\n  ws          ${expected}`);
}
