/**
 * The wire between nodes: what it costs to encode and to decode one frame, in µs. It needs no server and no broker.
 *
 *   npm run bench:wire -- [flags]
 *
 *   --rounds 5      how many rounds there are; the median is shown
 *   --frames 100000 frames per round
 *   --help          prints this text
 */
import { performance } from 'node:perf_hooks';
import { Wire } from '../../libs/realtime/dist/esm/cluster/wire.js';
import { Frame } from '../../libs/realtime/dist/esm/frame.js';
import { readFlags } from '../lib/flags.mjs';
import { median, table } from '../lib/tables.mjs';

const {
  values: { rounds, frames },
} = readFlags(import.meta.filename, { rounds: 5, frames: 100_000 });

const FROM = 'Xq3_-aXq3_-a';
const push = (data, fields = {}) => ({
  channel: 'r:chat:4711',
  except: [],
  message: { kind: 'push', frame: new Frame(data, undefined, typeof data === 'string'), isVolatile: false },
  ...fields,
});
const order = { id: 12, to: 'r:chat:4711', action: { kind: 'join', room: 'archive' } };
const question = { kind: 'count', channel: 'r:chat:4711', except: [] };
const KEYS = ['k'.repeat(32)];

const CASES = [
  ['push, 128 bytes of text', push('x'.repeat(128))],
  ['push, 128 bytes of binary', push(Buffer.alloc(128))],
  ['push, 5 KB of text', push('x'.repeat(5000))],
  ['push, 5 KB of text that is not ASCII', push('é'.repeat(2500))],
  ['push, 64 KB of binary', push(Buffer.alloc(65_536))],
  ['push, 128 bytes, 3 exceptions', push('x'.repeat(128), { except: ['c:Xq3_-aXq3_-a.1f', 'r:muted', 'u:7'] })],
  ['push, 128 bytes, on a Redis Cluster', push('x'.repeat(128)), { isSharded: true }],
  ['push, 128 bytes, signed', push('x'.repeat(128)), { keys: KEYS }],
  ['push, 5 KB of text, signed', push('x'.repeat(5000)), { keys: KEYS }],
  ['order', { channel: 'r:chat:4711', except: [], message: { kind: 'order', order } }],
  ['question', { channel: 'n:Yk0', except: [], message: { kind: 'ask', ask: { id: 14, question } } }],
];

function timed(work) {
  const start = performance.now();
  for (let index = 0; index < frames; index++) work(index);
  return ((performance.now() - start) * 1000) / frames;
}

function measure([name, frame, options]) {
  const wire = new Wire({ app: 'shop', ...options });
  const encode = (index) => wire.encode({ from: FROM, counter: index + 1, ...frame });
  const bytes = encode(0);
  const on = wire.names.of(frame.channel);
  // A replay is dropped, so the guard is left out; it costs one look into a Map
  const decode = () => wire.read(on, bytes, false) ?? raise(`${name} was dropped: ${JSON.stringify(wire.drops)}`);
  const own = () => wire.ownPush(FROM, bytes);
  const results = Array.from({ length: rounds + 1 }, () => [timed(encode), timed(decode), timed(own)]).slice(1);
  const [encodeUs, decodeUs, ownUs] = [0, 1, 2].map((column) => median(results.map((row) => row[column])).toFixed(2));
  return { frame: name, bytes: bytes.length, encodeUs, decodeUs, ownUs };
}

function raise(message) {
  throw new Error(message);
}

const rows = CASES.map(measure);
console.log(
  table(
    ['frame', 'bytes', 'encode µs', 'decode µs', 'own push µs'],
    rows.map(({ frame, bytes, encodeUs, decodeUs, ownUs }) => [frame, String(bytes), encodeUs, decodeUs, ownUs]),
  ),
);
