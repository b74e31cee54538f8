/**
 * Frames of the wire between nodes for round trips, hostile variants of them, and the checks of what a node makes of
 * them. Plain JavaScript, because script, specs and benchmark share it; `Frame` and `Wire` are passed in.
 */
import fc from 'fast-check';

const APP = 'shop';
const KEYS = ['k'.repeat(32), 'K'.repeat(40)];

const text = (unit, minLength, maxLength) => fc.string({ unit, minLength, maxLength });
const node = text(fc.constantFrom(...'abcXYZ019_-'), 1, 64);
/** Names as an application or its clients choose them: everything but a lone surrogate. */
const name = fc.oneof(
  text('binary', 1, 12),
  text('grapheme-ascii', 1, 12),
  fc.constantFrom('__proto__', 'constructor', '\0', ' ', '\ufffd', '}', '{1}.r:x', '\n', 'x'.repeat(300)),
);
const connectionId = fc.tuple(node, fc.nat()).map(([of, n]) => `${of}.${n.toString(36)}`);
const prefixed = (prefixes, of) => fc.tuple(fc.constantFrom(...prefixes), of).map(([prefix, rest]) => prefix + rest);
const members = fc.oneof(prefixed(['r:', 'u:', 'p:'], name), fc.constant('*'));
const except = fc.array(prefixed(['c:', 'r:', 'u:'], name), { maxLength: 5 });
const id = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constant(Number.MAX_SAFE_INTEGER));
const count = fc.maxSafeNat();
const slow = fc.constantFrom(undefined, 'close', 'drop-newest', 'drop-oldest');
const optional = (field, arbitrary) =>
  fc.oneof(
    fc.constant({}),
    arbitrary.map((value) => ({ [field]: value })),
  );
const merged = (...parts) => fc.tuple(...parts).map((all) => Object.assign({}, ...all));

const roomAction = fc.oneof(
  fc.record({ kind: fc.constantFrom('join', 'leave'), room: name }),
  fc.record({
    kind: fc.constant('disconnect'),
    code: fc.constantFrom(1000, 1014, 3000, 4500, 4999),
    reason: text('binary', 0, 30),
  }),
  merged(fc.record({ kind: fc.constant('bind'), userId: name }), optional('replaces', fc.boolean())),
);
const order = fc.oneof(
  fc.record({ id, to: members, action: roomAction }),
  fc.record({
    id,
    to: prefixed(['u:'], name),
    action: fc.record({ kind: fc.constant('replace'), by: connectionId }),
  }),
);

const info = merged(
  fc.record({
    id: connectionId,
    transport: fc.constantFrom('websocket', 'sse', 'polling'),
    path: name,
    address: fc.ipV6(),
    protocol: fc.string({ maxLength: 5 }),
    // JSON can hold what UTF-8 cannot
    rooms: fc.array(fc.oneof(name, fc.constant('\ud800')), { maxLength: 3 }),
    openedAt: count,
    state: fc.constantFrom('open', 'closing'),
    silentForMs: fc.double({ min: 0, max: 1e9, noNaN: true }).map((ms) => ms || 0),
  }),
  fc.record({ bufferedBytes: count, messagesIn: count, messagesOut: count, bytesIn: count, bytesOut: count }),
  optional('userId', name),
  optional('remotePort', fc.nat(65_535)),
  optional('lastSentAt', count),
);
const listed = (kind, value) =>
  fc.record({ id, kind: fc.constant(kind), value, part: fc.nat(1023), hasMore: fc.boolean() });
const page = merged(fc.record({ items: fc.array(info, { maxLength: 3 }) }), optional('next', connectionId));
const answer = fc.oneof(
  fc.record({ id, kind: fc.constant('obeyed') }),
  fc.record({
    id,
    kind: fc.constant('failed'),
    code: fc.constantFrom('too_many_members', 'x1'),
    message: fc.string({ maxLength: 1000 }),
  }),
  listed('order', fc.boolean()),
  listed('exists', fc.boolean()),
  listed('info', fc.option(info, { nil: undefined })),
  listed('list', page),
  listed('members', fc.array(merged(fc.record({ id: connectionId }), optional('userId', name)), { maxLength: 4 })),
  listed('count', count),
);
const announcement = fc
  .tuple(
    merged(fc.record({ startedAt: count, host: fc.string({ maxLength: 255 }), pid: fc.nat() }), optional('era', count)),
    fc.record({ connections: count, rooms: count, users: count }),
    fc.tuple(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 1, max: 31 })),
  )
  .map(([one, other, reads]) => ({ ...one, ...other, reads: reads.toSorted((a, b) => a - b) }));

const counter = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(2 ** 32, 2 ** 48 - 1));
const position = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  fc.record({
    n: fc.oneof(fc.integer({ min: 1, max: 99 }), fc.constant(999_999_999_999_999)),
    tag: text(fc.constantFrom(...'aZ09_-'), 6, 6),
    previous: fc.oneof(fc.constant(''), text(fc.constantFrom(...'aZ09_-'), 6, 6)),
  }),
);

/** The bytes that an engine writes before the frame of an entry. */
const prefixOf = ({ n, tag, previous }) => Buffer.from(`${n}.${tag}.${previous} `);

const digest = text(fc.constantFrom(...'aZ09_-'), 43, 43);
const claim = fc.record({ tokenDigest: digest, ownerDigests: fc.array(digest, { maxLength: 3 }), path: name });
const outcome = merged(
  fc.record({ status: fc.constantFrom(200, 204, 403, 404, 429, 503, 599) }),
  optional('message', fc.string({ maxLength: 1000 })),
  optional('retryAfter', fc.nat(86_400)),
);
const clientMessage = fc.oneof(
  text('binary', 0, 20).map((data) => ({ data: Buffer.from(data), isBinary: false })),
  fc.uint8Array({ maxLength: 20 }).map((data) => ({ data: Buffer.from(data), isBinary: true })),
);
const forward = fc.oneof(
  merged(
    fc.record({ id, method: fc.constant('POST'), messages: fc.array(clientMessage, { maxLength: 4 }) }),
    claim,
    optional('messageId', text(fc.constantFrom(...'aZ09_-.:'), 1, 64)),
  ),
  merged(fc.record({ id, method: fc.constant('DELETE'), messages: fc.constant([]) }), claim),
);
const relayed = (type, fields, ...more) => merged(fc.record({ type: fc.constant(type), id: node, ...fields }), ...more);
const headers = fc.dictionary(
  fc.constantFrom('content-type', 'cache-control', 'x-accel-buffering'),
  text(fc.constantFrom(...'a/;= -'), 0, 256),
);
const relay = fc.oneof(
  relayed(
    'open',
    { transport: fc.constantFrom('sse', 'polling'), position: count, salt: text(fc.constantFrom(...'aZ09_-'), 22, 22) },
    claim,
    fc.record({ credit: fc.integer({ min: 1, max: 65_536 }), era: count }),
  ),
  relayed('opened', { era: count }),
  relayed('head', { headers }),
  relayed('credit', { bytes: fc.integer({ min: 1, max: 65_536 }) }),
  relayed('end', { seq: fc.nat() }, outcome),
  relayed('gone', {}),
  relayed('left', {}),
  fc.record({ type: fc.constant('superseded'), tokenDigest: digest, ownerDigests: fc.array(digest, { maxLength: 3 }) }),
);
const relayData = fc.record({
  id: node,
  seq: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(2 ** 32 - 1)),
  bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
});

/** Frames as nodes send them, one arbitrary per kind. @param Frame the class of the build under test */
export function frames(Frame) {
  const payload = fc.oneof(
    fc
      .tuple(fc.oneof(text('binary', 0, 40), fc.constant('x'.repeat(1000))), slow, fc.boolean())
      .map(([data, policy, isEnvelope]) => new Frame(data, policy, isEnvelope)),
    fc.tuple(fc.uint8Array({ maxLength: 40 }), slow).map(([data, policy]) => new Frame(Buffer.from(data), policy)),
  );
  const question = fc.oneof(
    fc.record({
      kind: fc.constant('order'),
      id: connectionId,
      action: fc.oneof(roomAction, fc.record({ kind: fc.constant('push'), frame: payload })),
    }),
    fc.record({ kind: fc.constantFrom('exists', 'info'), id: connectionId }),
    merged(
      fc.record({ kind: fc.constant('list'), limit: fc.integer({ min: 1, max: 100 }) }),
      optional('after', connectionId),
    ),
    fc.record({
      kind: fc.constantFrom('members', 'count'),
      channel: fc.oneof(members, prefixed(['c:'], connectionId)),
      except,
    }),
  );
  const ask = merged(fc.record({ question }), optional('id', id));
  const toNode = prefixed(['n:'], node);
  const frame = (kind, channel, fields, exceptions = fc.constant([])) =>
    fc
      .record({ from: node, counter, channel, except: exceptions, fields })
      .map(({ fields: of, ...rest }) => ({ ...rest, message: { kind, ...of } }));
  return {
    push: frame('push', members, fc.record({ frame: payload, isVolatile: fc.boolean() }), except),
    entry: fc
      .record({
        pushed: frame('push', members, fc.record({ frame: payload, isVolatile: fc.constant(false) }), except),
        position,
      })
      .map(({ pushed, position: at }) => (at ? { ...pushed, position: at } : pushed)),
    order: fc.oneof(
      frame('order', toNode, fc.record({ order }), except),
      frame('order', fc.constant('*'), fc.record({ order }), except).map(({ message, ...rest }) => {
        return { ...rest, channel: message.order.to, message };
      }),
    ),
    ask: frame('ask', fc.oneof(toNode, fc.constant('n:*')), fc.record({ ask })),
    answer: frame('answer', toNode, fc.record({ answer })),
    announce: frame('announce', fc.oneof(toNode, fc.constant('n:*')), fc.record({ announcement })),
    leave: frame('leave', fc.constant('n:*'), fc.constant({})),
    probe: frame('probe', toNode, fc.record({ probe: fc.record({ id }) })).map((one) => ({
      ...one,
      from: one.channel.slice(2),
    })),
    forward: frame('forward', toNode, fc.record({ forward })),
    done: frame('done', toNode, fc.record({ done: merged(fc.record({ id }), outcome) })),
    relay: frame('relay', toNode, fc.record({ relay })),
    relayData: frame('relayData', toNode, fc.record({ data: relayData })),
  };
}

/** What a frame says, as plain data with its fields in one order: text and bytes of a payload are the same, however the frame holds them. */
export function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('isBinary' in value) {
    const { data, slow: policy, isEnvelope, isBinary } = value;
    return { payload: Buffer.from(data).toString('hex'), slow: policy, isEnvelope, isBinary };
  }
  const fields = Object.entries(value).filter(([, of]) => of !== undefined);
  return Object.fromEntries(
    fields.sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, of]) => [key, plain(of)]),
  );
}

/** @returns the bytes as an engine would deliver them */
export const published = (wire, frame) =>
  frame.position ? Buffer.concat([prefixOf(frame.position), wire.encode(frame)]) : wire.encode(frame);

const same = (one, other) => JSON.stringify(plain(one)) === JSON.stringify(plain(other));

/** One change of bytes. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('set'), at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('flip'), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut'), at: fc.nat() }),
  fc.record({ kind: fc.constant('insert'), at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }) }),
  fc.record({ kind: fc.constant('remove'), at: fc.nat(), length: fc.integer({ min: 1, max: 9 }) }),
  // The lengths are in the first bytes
  fc.record({ kind: fc.constant('set'), at: fc.nat(40), byte: fc.constantFrom(0, 1, 255, 0x30, 0x7b) }),
);

function mutated(bytes, { kind, at, byte, bit, bytes: inserted, length }) {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  const place = at % copy.length;
  if (kind === 'set') copy[place] = byte;
  if (kind === 'flip') copy[place] ^= 1 << bit;
  if (kind === 'cut') return copy.subarray(0, place);
  if (kind === 'insert') return Buffer.concat([copy.subarray(0, place), inserted, copy.subarray(place)]);
  if (kind === 'remove') return Buffer.concat([copy.subarray(0, place), copy.subarray(place + length)]);
  return copy;
}

const field = fc.constantFrom('event', 'data', 'text', 'binary', 'to', 'except', '__proto__', 'id', 'kind');
const hostileValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom('abc.1', 'aGk=', 'chat', 'rt:open', '\ud800', 1e300, -1, []),
);
const nested = (most, isClosed) =>
  fc.nat(most).map((depth) => `{"event":"x","data":${'['.repeat(depth)}${isClosed ? `${']'.repeat(depth)}}` : ''}`);
const foreign = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.dictionary(field, hostileValue, { maxKeys: 4 }).map((value) => JSON.stringify(value)),
  },
  { weight: 20, arbitrary: fc.string().map((rest) => `{${rest}`) },
  { weight: 10, arbitrary: nested(300, false) },
  // Deeper than JSON.stringify can go, and slow
  { weight: 1, arbitrary: nested(20_000, true) },
);
const valid = fc.oneof(
  fc.record({ event: fc.string({ minLength: 1 }), data: fc.jsonValue() }),
  fc.record({ text: fc.string() }),
  fc.record({ binary: fc.base64String() }),
);

/** JSON in the place of a body: right fields with wrong values. */
const HEX_HEADS = [
  ['020000', 'n:abc'],
  ['030000', 'n:abc'],
  ['040000', 'n:abc'],
  ['050000', 'n:*'],
  ['060000', 'n:*'],
  ['070000', 'n:abc'],
  ['080000', 'n:abc'],
  ['090000', 'n:abc'],
  ['0a0000', 'n:abc'],
];
const bodyFields = fc.constantFrom(
  'id',
  'to',
  'action',
  'question',
  'kind',
  'value',
  'part',
  'reads',
  'host',
  'type',
  'status',
  'method',
  '__proto__',
);
const forged = fc.record({ head: fc.constantFrom(...HEX_HEADS), body: fc.dictionary(bodyFields, hostileValue) });

function forgedBytes({ head: [kind, channel], body }) {
  const full = `${APP}:${channel}`;
  const head = Buffer.from(`01${kind}03616263000000000001${full.length.toString(16).padStart(4, '0')}`, 'hex');
  return [channel, Buffer.concat([head, Buffer.from(`${full}\0\0${JSON.stringify(body)}`)])];
}

/** Hostile input for the wires of `newWires()`: changed frames, noise, forged bodies, JSON of strangers. */
export function hostile(Frame) {
  const frame = fc.oneof(...Object.values(frames(Frame)));
  const wire = fc.constantFrom('plain', 'signed', 'sharded');
  const channel = fc.oneof(members, fc.constantFrom('n:abc', 'n:*', '*'));
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ wire, frame, mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ wire, channel, bytes: fc.uint8Array({ maxLength: 60 }) }) },
    { weight: 2, arbitrary: forged.map(forgedBytes).map(([to, bytes]) => ({ wire: 'plain', channel: to, bytes })) },
    {
      weight: 2,
      arbitrary: fc
        .record({
          wire,
          channel,
          json: fc.oneof(
            foreign,
            valid.map((value) => JSON.stringify(value)),
          ),
        })
        .map(({ json, ...rest }) => ({ ...rest, bytes: Buffer.from(json) })),
    },
  );
}

/** The wires under attack. @param Wire the class of the build under test */
export const newWires = (Wire) => ({
  plain: new Wire({ app: APP }),
  signed: new Wire({ app: APP, keys: KEYS }),
  sharded: new Wire({ app: APP, isSharded: true }),
});

const dropped = ({ drops }) => Object.values(drops).reduce((sum, one) => sum + one, 0);

/**
 * Throws when a case is not dropped and counted, or when what was read could not have been sent by a node.
 *
 * @returns whether it was read
 */
export function attack(wires, { wire: name, frame, mutations = [], channel = frame.channel, bytes }) {
  const wire = wires[name];
  const original = frame ? published(wire, frame) : undefined;
  const sent = original ? mutations.reduce(mutated, original) : Buffer.from(bytes);
  const before = dropped(wire);
  // Without the guard: the fuzzer is not the only one who uses small counters
  const received = wire.read(wire.names.of(channel), sent, false);
  const drops = dropped(wire) - before;
  const what = () => `${name} ${channel} ${sent.toString('hex').slice(0, 2000)}`;
  if (drops !== (received ? 0 : 1)) throw new Error(`${drops} drops were counted for ${what()}`);
  if (!received) return false;
  if (received.isForeign) return checkForeign(received.command, what);
  checkFrame(received.frame, what);
  const again = wire.read(wire.names.of(channel), published(wire, received.frame), false);
  if (!same(again, received)) throw new Error(`It is another frame when it is sent again: ${what()}`);
  if (name === 'signed' && !same(received.frame, { ...frame, position: received.frame.position }))
    throw new Error(`A signed frame was changed and accepted: ${what()}`);
  return true;
}

const CHANNEL = /^(?:[rup]:[^]+|n:(?:\*|[\w-]{1,64})|\*)$/;
const EXCEPTION = /^[cur]:[^]+$/;
const KINDS = [
  ...['push', 'order', 'ask', 'answer', 'announce', 'leave', 'probe', 'forward', 'done', 'relay', 'relayData'],
];
const NODE = /^[\w-]{1,64}$/;

function checkPayload({ data, isBinary, isEnvelope, slow: policy }, what) {
  const isText = Buffer.from(Buffer.from(data).toString('utf8')).equals(Buffer.from(data));
  if (!isBinary && !isText) throw new Error(`Text is not UTF-8: ${what()}`);
  if (isBinary && isEnvelope) throw new Error(`An envelope is binary: ${what()}`);
  if (![undefined, 'close', 'drop-newest', 'drop-oldest'].includes(policy)) throw new Error(`A policy: ${what()}`);
}

function checkFrame({ from, counter: n, channel, except: exceptions, message }, what) {
  if (!NODE.test(from) || !(n >= 1 && n < 2 ** 48) || !CHANNEL.test(channel)) throw new Error(`The head: ${what()}`);
  if (exceptions.some((each) => !EXCEPTION.test(each))) throw new Error(`The exceptions: ${what()}`);
  const payload = message.frame ?? message.ask?.question.action?.frame;
  if (payload) checkPayload(payload, what);
  if (!KINDS.includes(message.kind)) throw new Error(`The kind: ${what()}`);
}

function checkForeign({ channel, except: exceptions, action }, what) {
  if (!/^(?:[rupc]:[^]+|\*)$/.test(channel)) throw new Error(`The address: ${what()}`);
  if (exceptions.some((each) => !/^c:[\w-]+\.[0-9a-z]+$/.test(each))) throw new Error(`The exceptions: ${what()}`);
  if (action.kind !== 'push') throw new Error(`The action: ${what()}`);
  checkPayload(action.frame, what);
  return true;
}
