import { attack, frames, hostile, newWires, plain, published } from '../../../../test/fuzz/wire-cases.mjs';
import { fc } from '../../../../test/support/properties.js';
import { channelOf } from '../command.js';
import { Frame } from '../frame.js';
import { DROP_REASONS, type DropReason } from './format.js';
import type { Order, WireFrame, WireMessage } from './messages.js';
import { Wire, type WireOptions } from './wire.js';

const KEYS = ['k'.repeat(32)];
const push = (data: string | Buffer = 'hi'): WireMessage => ({
  kind: 'push',
  frame: new Frame(data),
  isVolatile: false,
});
const framed = (fields: Partial<WireFrame> = {}): WireFrame => ({
  ...{ from: 'abc', counter: 1, channel: 'r:chat', except: [], message: push() },
  ...fields,
});
const shop = (options?: Partial<WireOptions>) => new Wire({ app: 'shop', ...options });
const read = (wire: Wire, bytes: Buffer, channel = 'r:chat') => {
  const received = wire.read(wire.names.of(channel), bytes, false);
  return received?.isForeign === false ? received.frame : undefined;
};
/** Why the only frame that a wire has read was dropped; undefined when it was not. */
const reasonOf = ({ drops }: Wire): DropReason | undefined => {
  const reasons = DROP_REASONS.filter((reason) => drops[reason] > 0);
  expect(reasons.length).toBeLessThanOrEqual(1);
  return reasons[0];
};
const dropOf = (bytes: Buffer, channel = 'r:chat', wire = shop()) => {
  expect(read(wire, bytes, channel)).toBeUndefined();
  return reasonOf(wire);
};

/** A frame with any body. */
function forged(kind: number, channel: string, body: string | Buffer, flags = 0): Buffer {
  const name = Buffer.from(`shop:${channel}`);
  const head = Buffer.from('010000000361626300000000000100000000', 'hex');
  head[1] = kind;
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(name.length, 14);
  return Buffer.concat([head.subarray(0, 16), name, Buffer.alloc(2), Buffer.from(body as string)]);
}

describe('encode and read', () => {
  const wires = newWires(Wire);
  const kinds = frames(Frame);

  describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('a frame of the kind %s', (kind) => {
    it.each(['plain', 'signed', 'sharded'] as const)('is read as it was sent (%s)', (name) => {
      const wire = wires[name];
      fc.assert(
        fc.property(kinds[kind], (frame) => {
          const received = wire.read(wire.names.of(frame.channel), published(wire, frame), false);
          expect(plain(received)).toEqual(plain({ isForeign: false, frame }));
        }),
      );
    });
  });

  it('writes the fields in their order', () => {
    const frame = framed({ except: ['c:abc.1', 'u:7'], counter: 2 ** 40, message: push(Buffer.from([255])) });
    expect(shop().encode(frame).toString('hex')).toBe(
      '01' +
        '01' +
        '0002' +
        '03616263' +
        '010000000000' +
        '000b73686f703a723a63686174' +
        '0002' +
        '6300056162632e31' +
        '75000137' +
        'ff',
    );
  });

  it('reads a payload as a slice of what the broker has delivered', () => {
    const bytes = shop().encode(framed());
    const message = read(shop(), bytes)!.message as Extract<WireMessage, { kind: 'push' }>;
    expect((message.frame.data as Buffer).buffer).toBe(bytes.buffer);
    expect(message.frame.text).toBe('hi');
  });

  it('recognises a push of its own without decoding it', () => {
    const bytes = shop().encode(framed({ counter: 2 ** 48 - 1 }));
    expect(shop().ownPush('abc', bytes)).toBe(2 ** 48 - 1);
    expect(shop().ownPush('abd', bytes)).toBeUndefined();
    expect(shop().ownPush('ab', bytes)).toBeUndefined();
    expect(shop({ keys: KEYS }).ownPush('abc', shop({ keys: KEYS }).encode(framed()))).toBeUndefined();
    expect(shop().ownPush('abc', Buffer.concat([Buffer.from('1.abcdef. '), bytes]))).toBeUndefined();
    expect(shop().ownPush('abc', forged(6, 'n:*', '{}'))).toBeUndefined();
    for (let length = 0; length < 19; length++) {
      expect(shop().ownPush('abc', bytes.subarray(0, length))).toBeUndefined();
    }
  });
});

describe('encode', () => {
  it('refuses what is longer than a frame may be, and takes what is just as long', () => {
    const overhead = shop().encode(framed({ message: push('') })).length;
    const wire = shop({ maxFrameBytes: overhead + 5 });
    expect(wire.encode(framed({ message: push('x'.repeat(5)) }))).toHaveLength(overhead + 5);
    expect(() => wire.encode(framed({ message: push('x'.repeat(6)) }))).toThrow(
      expect.objectContaining({ code: 'too_big', message: expect.stringContaining('REALTIME_MAX_BROKER_FRAME_BYTES') }),
    );
    const signed = shop({ maxFrameBytes: overhead + 5, keys: KEYS });
    expect(() => signed.encode(framed({ message: push('') }))).toThrow(expect.objectContaining({ code: 'too_big' }));
  });

  it.each([0, -1, 1.5, 2 ** 48, NaN])('refuses the counter %p', (counter) => {
    expect(() => shop().encode(framed({ counter }))).toThrow(RangeError);
  });

  it('refuses a node id that readers would drop', () => {
    for (const from of ['', 'a.b', 'é', 'x'.repeat(65)]) {
      expect(() => shop().encode(framed({ from }))).toThrow(expect.objectContaining({ code: 'bad_node' }));
    }
  });

  it.each(['c:', 'p:/ws', '*', 'n:abc', 'x', '', 'r:\ud800', `r:${'x'.repeat(65_536)}`])(
    'refuses the exception %.20j',
    (channel) => {
      expect(() => shop().encode(framed({ except: [channel] }))).toThrow(expect.objectContaining({ code: 'bad_name' }));
    },
  );

  it('takes 4,096 exceptions, and refuses one more', () => {
    const except = Array.from({ length: 4096 }, (_, index) => channelOf.connection(`abc.${index.toString(36)}`));
    const frame = framed({ except });
    expect(read(shop(), shop().encode(frame))?.except).toEqual(except);
    expect(() => shop().encode(framed({ except: [...except, 'u:7'] }))).toThrow(
      expect.objectContaining({ code: 'too_many_exceptions' }),
    );
  });

  it('refuses an order that other nodes would drop, and says what is wrong with it', () => {
    const order: Order = { id: 1, to: 'r:chat', action: { kind: 'join', room: '\ud800' } };
    expect(() => shop().encode(framed({ message: { kind: 'order', order } }))).toThrow(
      expect.objectContaining({ code: 'bad_body', message: expect.stringContaining('action.room') }),
    );
  });

  it('refuses a frame on a channel where its kind does not belong', () => {
    const order: Order = { id: 1, to: 'r:other', action: { kind: 'join', room: 'x' } };
    expect(() => shop().encode(framed({ channel: 'n:abc' }))).toThrow(expect.objectContaining({ code: 'bad_channel' }));
    expect(() => shop().encode(framed({ message: { kind: 'order', order } }))).toThrow(
      expect.objectContaining({ code: 'bad_body' }),
    );
    const probe = framed({ channel: 'n:abc', except: ['u:7'], message: { kind: 'probe', probe: { id: 1 } } });
    expect(() => shop().encode(probe)).toThrow(expect.objectContaining({ code: 'bad_except' }));
  });
});

describe('read', () => {
  const good = shop().encode(framed({ except: ['u:7'] }));
  const changed = (at: number, ...bytes: number[]) => {
    const copy = Buffer.from(good);
    copy.set(bytes, at);
    return copy;
  };

  it.each<[string, Buffer, DropReason]>([
    ['nothing', Buffer.alloc(0), 'truncated'],
    ['an unknown version', changed(0, 2), 'unknown_version'],
    ['the version 0', changed(0, 0), 'unknown_version'],
    ['a version without anything else', Buffer.from([1]), 'truncated'],
    ['text', Buffer.from('hello'), 'unknown_version'],
    ['a position without a frame', Buffer.from('1.abcdef. '), 'unknown_version'],
    ['a broken position', Buffer.concat([Buffer.from('1.abc. '), good]), 'bad_position'],
    ['a flag without a meaning', changed(2, 0, 64), 'bad_flags'],
    ['a flag in the upper byte', changed(2, 1, 0), 'bad_flags'],
    ['an empty node', changed(4, 0), 'bad_node'],
    ['a node with a dot', changed(5, 0x2e), 'bad_node'],
    ['a node beyond the end', changed(4, 255), 'truncated'],
    ['the counter 0', changed(13, 0), 'bad_counter'],
    ['a channel beyond the end', changed(14, 255, 255), 'truncated'],
    ['an empty channel', changed(14, 0, 0), 'bad_channel'],
    ['a channel that is not UTF-8', changed(16, 0xff), 'bad_channel'],
    ['another channel', changed(26, 0x75), 'wrong_channel'],
    ['too many exceptions', changed(27, 0x10, 0x01), 'bad_except'],
    ['an exception too many', changed(27, 0, 2), 'truncated'],
    ['an exception of another type', changed(29, 0x70), 'bad_except'],
    ['an empty exception', changed(30, 0, 0), 'bad_except'],
    ['an exception beyond the end', changed(30, 0, 9), 'truncated'],
    ['an exception that is not UTF-8', changed(32, 0xff), 'bad_except'],
    ['text that is not UTF-8', changed(33, 0xff), 'bad_body'],
    ['a binary envelope', changed(2, 0, 6), 'bad_body'],
    ['a signature that is not there', changed(2, 0, 1), 'truncated'],
  ])('drops %s', (_name, bytes, reason) => {
    expect(dropOf(bytes)).toBe(reason);
  });

  it.each([0, 13, 255])('drops the kind %d, which is unknown', (kind) => {
    expect(dropOf(changed(1, kind))).toBe('unknown_kind');
  });

  it('drops every frame that is cut before its body', () => {
    for (let length = 0; length < 33; length++) expect(dropOf(good.subarray(0, length))).toBe('truncated');
    expect(read(shop(), good.subarray(0, 33))).toBeDefined();
  });

  it('drops what is longer than a frame may be', () => {
    const wire = shop({ maxFrameBytes: good.length });
    expect(read(wire, good)).toBeDefined();
    expect(dropOf(Buffer.concat([good, Buffer.from('x')]), 'r:chat', shop({ maxFrameBytes: good.length }))).toBe(
      'too_big',
    );
    // A position does not count, but it is no way to a longer frame
    const prefix = Buffer.from('1.abcdef.ghijkl ');
    expect(read(wire, Buffer.concat([prefix, good]))).toMatchObject({ position: { n: 1 } });
    const longer = Buffer.concat([prefix, good, Buffer.from('x')]);
    expect(dropOf(longer, 'r:chat', shop({ maxFrameBytes: good.length }))).toBe('too_big');
  });

  it('drops what comes on the channel of another application', () => {
    const wire = shop();
    expect(wire.read('other:r:chat', new Wire({ app: 'other' }).encode(framed()))).toBeUndefined();
    expect(reasonOf(wire)).toBe('bad_channel');
  });

  const order = '{"id":1,"to":"r:chat","action":{"kind":"join","room":"x"}}';
  it.each<[string, number, string, string | Buffer, DropReason]>([
    ['a push for one node', 1, 'n:abc', 'hi', 'bad_channel'],
    ['an order for all nodes', 2, 'n:*', order, 'bad_channel'],
    ['an order on the channel of others', 2, 'r:other', order, 'bad_body'],
    ['a question to a room', 3, 'r:chat', '{"question":{"kind":"exists","id":"abc.1"}}', 'bad_channel'],
    ['an answer to all nodes', 4, 'n:*', '{"id":1,"kind":"obeyed"}', 'bad_channel'],
    ['an announcement to a room', 5, 'r:chat', '{}', 'bad_channel'],
    ['a leave to one node', 6, 'n:abc', '{}', 'bad_channel'],
    ['the probe of another node', 7, 'n:abd', '{"id":1}', 'bad_channel'],
  ])('drops %s', (_name, kind, channel, body, reason) => {
    expect(dropOf(forged(kind, channel, body), channel)).toBe(reason);
  });

  it('drops a position before anything but a push that is kept', () => {
    const entry = (bytes: Buffer) => Buffer.concat([Buffer.from('1.abcdef. '), bytes]);
    expect(dropOf(entry(forged(2, 'r:chat', order)))).toBe('bad_position');
    expect(dropOf(entry(forged(1, 'r:chat', 'hi', 8)))).toBe('bad_position');
    expect(read(shop(), entry(forged(1, 'r:chat', 'hi')))).toBeDefined();
  });

  it.each([2, 4, 6, 7])('drops the flags of a payload on the kind %d', (kind) => {
    expect(dropOf(forged(kind, 'n:abc', '{"id":1}', 2), 'n:abc')).toBe('bad_flags');
  });
});

describe('read of a JSON body', () => {
  const [O, Q, A, N, P] = [2, 3, 4, 5, 7];
  const ask = (question: unknown) => ({ id: 1, question });
  const answer = (fields: object) => ({ id: 1, ...fields });
  const does = (action: unknown, to = 'r:chat') => ({ id: 1, to, action });
  const info = {
    ...{ id: 'abc.1', transport: 'sse', path: '/ws', address: '::1', protocol: '', rooms: ['x'], openedAt: 1 },
    state: 'open',
    ...{ silentForMs: 0.5, bufferedBytes: 0, messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 },
  };
  const announced = { reads: [1, 1], startedAt: 1, host: 'h', pid: 1, connections: 0, rooms: 0, users: 0 };

  it.each<[number, unknown]>([
    ...[null, 1, 'x', [], {}, [does({ kind: 'join', room: 'x' })]].map((body): [number, unknown] => [O, body]),
    [O, { to: 'r:chat', action: { kind: 'join', room: 'x' } }],
    ...[0, -1, 1.5, '1', 2 ** 53, null].map((id): [number, unknown] => [
      O,
      { id, to: 'r:chat', action: { kind: 'join', room: 'x' } },
    ]),
    ...['', 'x', 'r:', 'n:abc', 'n:*', '**', 7, null].map((to): [number, unknown] => [
      O,
      does({ kind: 'join', room: 'x' }, to as string),
    ]),
    ...[
      ...[{ kind: 'push' }, { kind: 'close' }, { kind: '__proto__' }, {}, null, { kind: 'join' }],
      ...[
        { kind: 'join', room: '' },
        { kind: 'join', room: 1 },
        { kind: 'leave', room: 'x'.repeat(65_536) },
      ],
      ...[
        { kind: 'join', room: '\ud800' },
        { kind: 'bind' },
        { kind: 'bind', userId: '' },
        { kind: 'bind', userId: 7 },
      ],
      ...[{ kind: 'disconnect' }, { kind: 'disconnect', code: 4500 }, { kind: 'disconnect', code: '4500', reason: '' }],
      ...[1005, 999, 1016, 5000, 4500.5].map((code) => ({ kind: 'disconnect', code, reason: '' })),
      ...[
        { kind: 'disconnect', code: 4500, reason: 'é'.repeat(62) },
        { kind: 'disconnect', code: 4500, reason: 1 },
      ],
      ...[{ kind: 'replace' }, { kind: 'replace', by: 'abc' }, { kind: 'replace', by: 'abc.1' }],
    ].map((action): [number, unknown] => [O, does(action)]),
    ...[
      ...[null, {}, { kind: 'eval' }, { kind: 'constructor' }, { kind: 'exists' }, { kind: 'exists', id: 'abc' }],
      ...[{ kind: 'exists', id: 1 }, { kind: 'info', id: `${'x'.repeat(65)}.1` }, { kind: 'list' }],
      ...[0, 101, 1.5, '5'].map((limit) => ({ kind: 'list', limit })),
      ...[
        { kind: 'list', limit: 5, after: 'x' },
        { kind: 'list', limit: 5, after: null },
      ],
      ...[
        { kind: 'count', channel: 'r:x' },
        { kind: 'count', channel: 'n:abc', except: [] },
      ],
      ...[
        { kind: 'count', channel: 'r:x', except: ['p:/'] },
        { kind: 'members', channel: 'r:x', except: ['*'] },
      ],
      { kind: 'members', channel: 'r:x', except: Array(4097).fill('u:7') },
      ...[
        { kind: 'order', id: 'abc.1' },
        { kind: 'order', id: 'abc.1', action: { kind: 'replace', by: 'abc.2' } },
      ],
      // A push without a payload
      { kind: 'order', id: 'abc.1', action: { kind: 'push' } },
    ].map((question): [number, unknown] => [Q, ask(question)]),
    [Q, { id: 0, question: { kind: 'exists', id: 'abc.1' } }],
    ...[
      ...[{}, { kind: 'yes' }, { kind: 'count' }, { kind: 'count', value: -1 }, { kind: 'count', value: '1' }],
      ...[
        { kind: 'exists', value: 1 },
        { kind: 'order', value: null },
        { kind: 'members', value: {} },
      ],
      ...[
        { kind: 'members', value: [{}] },
        { kind: 'members', value: [{ id: 'abc' }] },
      ],
      ...[
        { kind: 'members', value: [{ id: 'abc.1', userId: 7 }] },
        { kind: 'list', value: [] },
        { kind: 'list', value: {} },
      ],
      ...[
        { kind: 'list', value: { items: [{ id: 'abc.1' }] } },
        { kind: 'info', value: null },
        { kind: 'info', value: {} },
      ],
      ...Object.keys(info).map((key) => ({ kind: 'info', value: { ...info, [key]: null } })),
      ...Object.keys(info).map((key) => ({ kind: 'info', value: { ...info, [key]: undefined } })),
      ...[{ state: 'closed' }, { remotePort: -1 }, { remotePort: 65_536 }, { lastSentAt: null }].map((wrong) => ({
        kind: 'info',
        value: { ...info, ...wrong },
      })),
      ...[
        { kind: 'count', value: 1, part: 1024 },
        { kind: 'count', value: 1, part: -1 },
        { kind: 'count', value: 1, hasMore: 1 },
      ],
      ...[
        { kind: 'failed' },
        { kind: 'failed', code: 'X', message: '' },
        { kind: 'failed', code: 'x', message: 'x'.repeat(1001) },
      ],
    ].map((fields): [number, unknown] => [A, answer(fields)]),
    [A, { kind: 'obeyed' }],
    ...Object.keys(announced).map((key): [number, unknown] => [N, { ...announced, [key]: null }]),
    ...Object.keys(announced).map((key): [number, unknown] => [N, { ...announced, [key]: undefined }]),
    ...[[], [1], [1, 1, 1], [2, 1], [0, 1], [1, 32], ['1', '1'], [1, 1.5]].map((reads): [number, unknown] => [
      N,
      { ...announced, reads },
    ]),
    [N, { ...announced, host: 'x'.repeat(256) }],
    [N, { ...announced, pid: -1 }],
    ...[{}, { id: 0 }, { id: '1' }, null].map((body): [number, unknown] => [P, body]),
  ])('drops kind %d with %.200j', (kind, body) => {
    expect(dropOf(forged(kind, 'n:abc', JSON.stringify(body)), 'n:abc')).toBe('bad_body');
  });

  it.each<[number, string, unknown]>([
    [O, 'order', does({ kind: 'join', room: 'x' })],
    [O, 'order', does({ kind: 'replace', by: 'abc.1' }, 'u:7')],
    [Q, 'ask', ask({ kind: 'exists', id: 'abc.1' })],
    [A, 'answer', answer({ kind: 'info', value: info, part: 0, hasMore: false })],
    [N, 'announcement', announced],
    [P, 'probe', { id: 1 }],
  ])('leaves out the fields that it does not know, of kind %d', (kind, field, body) => {
    const more = { ...(body as object), since: 1, constructor: 2 };
    const { message } = read(shop(), forged(kind, 'n:abc', JSON.stringify(more)), 'n:abc')!;
    expect(message).toHaveProperty(field, body);
    expect(Object.keys(message[field as keyof typeof message])).not.toContain('since');
  });

  it.each(['', '{', '{"id":1', 'null', '[1]', '{"id":1}x', Buffer.from([0x7b, 0xff, 0x7d])])('drops %p', (body) => {
    for (const kind of [2, 3, 4, 5, 7]) expect(dropOf(forged(kind, 'n:abc', body), 'n:abc')).toBe('bad_body');
  });

  it('drops a payload behind a question that has none, and its flags', () => {
    const json = JSON.stringify(ask({ kind: 'exists', id: 'abc.1' }));
    expect(dropOf(forged(Q, 'n:abc', `${json}\nhi`), 'n:abc')).toBe('bad_body');
    expect(dropOf(forged(Q, 'n:abc', json, 2), 'n:abc')).toBe('bad_body');
    expect(read(shop(), forged(Q, 'n:abc', json), 'n:abc')).toBeDefined();
  });

  it('fills in that an answer has one part', () => {
    const { message } = read(shop(), forged(A, 'n:abc', '{"id":1,"kind":"count","value":3}'), 'n:abc')!;
    expect(message).toEqual({ kind: 'answer', answer: { id: 1, kind: 'count', value: 3, part: 0, hasMore: false } });
  });

  it('survives JSON that is deeper than any stack', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const kind of [2, 3, 4, 5]) expect(dropOf(forged(kind, 'n:abc', deep), 'n:abc')).toBe('bad_body');
    for (const field of ['"event":"x","data"', '"text":"x","except"', '"to"']) {
      const wire = shop();
      expect(wire.read('shop:*', Buffer.from(`{${field}:${deep}}`))).toBeUndefined();
      expect(reasonOf(wire)).toBe('bad_foreign');
    }
  });
});

describe('signed frames', () => {
  const bytes = shop({ keys: KEYS }).encode(framed());

  it('are read by nodes with the key, and by nodes without any key', () => {
    expect(plain(read(shop({ keys: KEYS }), bytes))).toEqual(plain(framed()));
    expect(plain(read(shop({ keys: ['x'.repeat(32), ...KEYS] }), bytes))).toEqual(plain(framed()));
    expect(plain(read(shop(), bytes))).toEqual(plain(framed()));
  });

  it('are dropped and counted when any of their bytes is another, whatever it becomes', () => {
    const wire = shop({ keys: KEYS });
    let sent = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        if (byte === bytes[at]) continue;
        const copy = Buffer.from(bytes);
        copy[at] = byte;
        if (wire.read('shop:r:chat', copy)) throw new Error(`Byte ${at} was changed to ${byte}`);
        sent++;
      }
    }
    expect(Object.values(wire.drops).reduce((sum, drops) => sum + drops)).toBe(sent);
  });

  it('are required once there is a key', () => {
    expect(dropOf(shop().encode(framed()), 'r:chat', shop({ keys: KEYS }))).toBe('unsigned');
    const other = shop({ keys: ['other'.repeat(8)] }).encode(framed());
    expect(dropOf(other, 'r:chat', shop({ keys: KEYS }))).toBe('unknown_key');
  });

  it('are dropped on every channel but the one for which they were signed', () => {
    expect(dropOf(bytes, 'r:other', shop({ keys: KEYS }))).toBe('wrong_channel');
    const other = new Wire({ app: 'other', keys: KEYS });
    expect(other.read('other:r:chat', bytes)).toBeUndefined();
    expect(reasonOf(other)).toBe('wrong_channel');
  });

  it('are dropped when they come a second time, but not when a history returns them', () => {
    const wire = shop({ keys: KEYS });
    const at = (counter: number) => wire.encode(framed({ counter }));
    const live = (counter: number) => wire.read('shop:r:chat', at(counter)) !== undefined;
    expect([1, 2, 2, 1, 3].map(live)).toEqual([true, true, false, false, true]);
    expect(wire.drops.replayed).toBe(2);
    expect(wire.read('shop:r:chat', at(1), false)).toBeDefined();
    expect(wire.read('shop:r:chat', Buffer.concat([Buffer.from('1.abcdef. '), at(4)]))).toBeDefined();
    expect(live(4)).toBe(false);
  });

  it('leave no trace in the counters when their signature is wrong', () => {
    const wire = shop({ keys: KEYS });
    const copy = Buffer.from(wire.encode(framed({ counter: 9 })));
    copy[copy.length - 1]! ^= 1;
    expect(wire.read('shop:r:chat', copy)).toBeUndefined();
    expect(wire.read('shop:r:chat', wire.encode(framed({ counter: 1 })))).toBeDefined();
  });

  it('are not compared with former counters without keys: a restarted broker may deliver twice', () => {
    const wire = shop();
    expect([1, 1].map(() => wire.read('shop:r:chat', bytes) !== undefined)).toEqual([true, true]);
  });
});

it('survives hostile frames, and reads none that a node could not have sent', () => {
  const wires = newWires(Wire);
  let read = 0;
  fc.assert(
    fc.property(hostile(Frame), (one) => {
      if (attack(wires, one)) read++;
    }),
    { numRuns: 3000 },
  );
  // A change of the payload alone gives a frame that is valid too
  expect(read).toBeGreaterThan(50);
  expect(wires.plain.drops.truncated).toBeGreaterThan(50);
});

it('survives every change of one byte of a frame of each kind', () => {
  const wires = newWires(Wire);
  for (const arbitrary of Object.values(frames(Frame))) {
    for (const frame of fc.sample(arbitrary, 2)) {
      const { length } = published(wires.plain, frame);
      for (let at = 0; at < Math.min(length, 200); at++) {
        for (const byte of [0, 1, 0x30, 0x7b, 0x7f, 0x80, 0xff]) {
          attack(wires, { wire: 'plain', frame, mutations: [{ kind: 'set', at, byte }] });
        }
      }
    }
  }
});
