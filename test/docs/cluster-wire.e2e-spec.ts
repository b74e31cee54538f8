/** docs/cluster-wire.md: every example is decoded and encoded, and the tables hold what the code holds. */
import { createHash } from 'node:crypto';
import { ChannelNames } from '../../libs/realtime/src/cluster/channel-names.js';
import { FLAG, KIND, MAX_EXCEPT } from '../../libs/realtime/src/cluster/format.js';
import type { WireFrame } from '../../libs/realtime/src/cluster/messages.js';
import { prefixOf } from '../../libs/realtime/src/cluster/position.js';
import { ANSWER, ASK, ORDER } from '../../libs/realtime/src/cluster/schemas.js';
import { Wire } from '../../libs/realtime/src/cluster/wire.js';
import { Frame, type SlowPolicy } from '../../libs/realtime/src/frame.js';
import { codeOf, read } from '../support/docs.js';
import { FakeNode } from '../support/fakes/fake-node.js';

const PAGE = 'docs/cluster-wire.md';
const KEY = '0123456789abcdef0123456789abcdef';
const text = read(PAGE);

/** A payload as the page writes it. */
interface Payload {
  readonly text?: string;
  readonly binary?: string;
  readonly isEnvelope?: boolean;
  readonly slow?: SlowPolicy;
}

/** Every block of hex, and the JSON behind it. */
const examples = [...text.matchAll(/^```hex\n(.*?)^```\n\n```json\n(.*?)^```/gms)].map(([, hex, json]) => ({
  bytes: Buffer.from(hex!.replace(/#.*$/gm, '').replace(/\s/g, ''), 'hex'),
  comments: [...hex!.matchAll(/^([0-9a-f]+) +# (.*)$/gm)].map(([, digits, comment]) => [digits!, comment!] as const),
  frame: JSON.parse(json!) as Omit<WireFrame, 'message'> & { message: unknown },
}));

/** Replaces each frame by what the page calls a payload, and bytes by their hex. */
function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  const fields = Object.entries(value).map(([key, field]) =>
    field instanceof Frame ? ['payload', payloadOf(field)] : [key, written(field)],
  );
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
}

function payloadOf({ data, isBinary, isEnvelope, slow }: Frame): Payload {
  const bytes = Buffer.from(data);
  const of = isBinary ? { binary: bytes.toString('hex') } : { text: bytes.toString('utf8') };
  return { ...of, ...(isEnvelope ? { isEnvelope } : {}), ...(slow ? { slow } : {}) };
}

/** Replaces each payload of the page by a frame, and hex by bytes. */
function meant(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meant);
  if (typeof value !== 'object' || value === null) return value;
  if ('hex' in value) return Buffer.from(String(value.hex), 'hex');
  const fields = Object.entries(value).map(([key, field]) =>
    key === 'payload' ? ['frame', frameOf(field as Payload)] : [key, meant(field)],
  );
  return Object.fromEntries(fields);
}

const frameOf = ({ text: string, binary, isEnvelope, slow }: Payload) =>
  new Frame(string ?? Buffer.from(binary!, 'hex'), slow, isEnvelope);

const nameOf = (bytes: Buffer, frame: { channel: string }) =>
  bytes.includes('shop:128:') ? new ChannelNames('shop', true).of(frame.channel) : `shop:${frame.channel}`;

const wireOf = (bytes: Buffer) =>
  new Wire({ app: 'shop', isSharded: bytes.includes('shop:128:'), ...(isSigned(bytes) ? { keys: [KEY] } : {}) });

/** No example with a position is signed. */
const isSigned = (bytes: Buffer) => bytes[0] === 1 && (bytes.readUInt16BE(2) & FLAG.signed) !== 0;

describe.each(examples.map((example) => [example.frame.counter, example] as const))(
  'the example with the counter %d',
  (_counter, { bytes, comments, frame }) => {
    it('is decoded to its JSON', () => {
      const received = wireOf(bytes).read(nameOf(bytes, frame), bytes);
      expect(written(received)).toEqual({ isForeign: false, frame });
    });

    it('is what its JSON is encoded to', () => {
      const sent = wireOf(bytes).encode(meant(frame) as WireFrame);
      const prefix = frame.position ? prefixOf(frame.position) : '';
      expect(prefix + sent.toString('latin1')).toBe(bytes.toString('latin1'));
    });

    it('has comments that quote its bytes', () => {
      const quotes = comments.filter(([, comment]) => comment.includes('"'));
      expect(quotes.length).toBeGreaterThan(1);
      for (const [digits, comment] of quotes) {
        expect(/"(.*)"/.exec(comment)![1]).toBe(Buffer.from(digits, 'hex').toString());
      }
    });
  },
);

it('has an example of every kind and of every flag', () => {
  const kinds = examples.map(({ frame }) => (frame.message as { kind: string }).kind);
  expect(new Set(kinds)).toEqual(new Set(Object.keys(KIND)));
  const flags = examples.filter(({ frame }) => !frame.position).map(({ bytes }) => bytes.readUInt16BE(2));
  // The one with a position is the binary push
  expect(flags.reduce((all, one) => all | one)).toBe(0x3f);
});

it('lists every kind and every flag with its number', () => {
  for (const [kind, number] of Object.entries(KIND))
    expect(text).toMatch(new RegExp(`^\\| ${number} +\\| \`${kind}\``, 'm'));
  for (const flag of ['signed', 'binary', 'envelope', 'volatile'] as const) {
    expect(text).toMatch(new RegExp(`^\\| ${FLAG[flag]} +\\| ${flag} `, 'm'));
  }
  expect(text).toContain(`at most ${MAX_EXCEPT.toLocaleString('en-US')}`);
});

it('lists every action, every question and every field of an answer', () => {
  const kinds = [...ORDER.shape.action.options, ...ASK.shape.question.options].map(({ shape }) => shape.kind.value);
  for (const kind of kinds) expect(text).toContain(`\`{ "kind": "${kind}"`);
  const info = ANSWER.options.find(({ shape }) => shape.kind.value === 'info')!;
  if (!('value' in info.shape) || !('unwrap' in info.shape.value)) throw new Error('info has no value');
  for (const field of Object.keys(info.shape.value.unwrap().shape)) expect(text).toContain(`\`${field}\``);
  const statistics = text.slice(text.indexOf('### Statistics'), text.indexOf('## Announce'));
  const { broker, ...counted } = new FakeNode().engine.node.stats();
  for (const field of [...Object.keys(counted), ...Object.keys(broker)]) expect(statistics).toContain(`\`${field}\``);
});

it('names the partitions as they are computed', () => {
  const rows = codeOf(PAGE, 'text')[0]!.trim().split('\n');
  expect(rows).toHaveLength(6);
  const names = new ChannelNames('shop', true);
  for (const [channel, name] of rows.map((row) => row.split(/ +/))) expect(names.of(channel!)).toBe(name);
});

it('says how the number of a key is made', () => {
  const signed = examples.find(({ bytes }) => isSigned(bytes))!.bytes;
  expect(signed.at(-33)).toBe(createHash('sha256').update(KEY).digest()[0]);
});

it('has JSON that a foreign publisher can send, for every kind of address', () => {
  const commands = JSON.parse(codeOf(PAGE, 'json').at(-1)!) as { on: string; publish: object }[];
  const wire = new Wire({ app: 'shop' });
  const channels = commands.map(({ on, publish }) => {
    const received = wire.read(on, Buffer.from(JSON.stringify(publish)));
    return received?.isForeign ? received.command.channel : wire.drops;
  });
  expect(channels).toEqual(['r:chat', 'u:7', '*', 'p:/ws', 'c:Xq3_-a.1f']);
});
