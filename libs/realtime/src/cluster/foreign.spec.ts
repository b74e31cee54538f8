import type { Command } from '../command.js';
import { Wire, type WireOptions } from './wire.js';

const wire = (options?: Partial<WireOptions>) => new Wire({ app: 'shop', ...options });

function read(channel: string, json: unknown, from = wire()): Command | undefined {
  const bytes = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const received = from.read(`shop:${channel}`, bytes);
  expect(received === undefined ? from.drops.bad_foreign + from.drops.foreign_refused : 0).toBe(received ? 0 : 1);
  return received?.isForeign ? received.command : undefined;
}

const payloadOf = ({ action }: Command) => {
  if (action.kind !== 'push') throw new Error(action.kind);
  const { data, isBinary, isEnvelope, slow } = action.frame;
  return { data, isBinary, isEnvelope, slow };
};

it.each(['r:chat', 'u:7', 'p:/ws', '*'])('pushes to %s, on whose channel it was published', (channel) => {
  const command = read(channel, { text: 'hi' })!;
  expect(command).toMatchObject({ channel, except: [] });
  expect(payloadOf(command)).toEqual({ data: 'hi', isBinary: false, isEnvelope: false, slow: undefined });
});

it('pushes to one connection on the channel of its node', () => {
  expect(read('n:Xq3_-a', { to: 'Xq3_-a.1f', text: 'hi' })).toMatchObject({ channel: 'c:Xq3_-a.1f' });
});

it('pushes an event as an envelope, with data and without', () => {
  expect(payloadOf(read('*', { event: 'say', data: { a: [1, null] } })!)).toMatchObject({
    data: '{"event":"say","data":{"a":[1,null]}}',
    isEnvelope: true,
  });
  expect(payloadOf(read('*', { event: 'reload' })!).data).toBe('{"event":"reload"}');
  expect(payloadOf(read('*', { event: 'x', data: null })!).data).toBe('{"event":"x","data":null}');
});

it('pushes base64 as a binary message', () => {
  const { data, isBinary } = payloadOf(read('*', { binary: 'AP+A' })!);
  expect([Buffer.isBuffer(data) && data.toString('hex'), isBinary]).toEqual(['00ff80', true]);
  expect(payloadOf(read('*', { binary: '' })!).data).toHaveLength(0);
});

it('leaves out connections', () => {
  expect(read('r:chat', { text: '', except: ['abc.1', 'abc.2'] })?.except).toEqual(['c:abc.1', 'c:abc.2']);
});

it.each([
  // Not exactly one of event, text and binary
  {},
  { text: 'x', event: 'y' },
  { text: 'x', binary: '' },
  { text: 'x', data: 1 },
  { data: 1 },
  // Values of a wrong type
  ...[{ text: 1 }, { event: 1 }, { event: '' }, { event: null }, { binary: 1 }, { text: 'x', except: 'abc.1' }],
  ...[
    { text: 'x', except: [1] },
    { text: 'x', except: ['abc'] },
    { text: 'x', except: ['r:x'] },
  ],
  ...[{ binary: 'AP+' }, { binary: 'AP-A' }, { binary: 'A===' }, { binary: '=' }, { binary: 'AP+A\n' }],
  // A misspelt field must not push to those who should be left out
  { text: 'x', excpet: ['abc.1'] },
  { event: 'rt:open' },
  { event: 'x'.repeat(257) },
  { text: 'x', except: Array.from({ length: 4097 }, () => 'abc.1') },
  ...['{', '{}}', '{"text":"x"', '{"text":"x",}', '{text:1}', '{"text":"x"}{"text":"y"}'],
])('drops %j', (json) => {
  expect(read('r:chat', json)).toBeUndefined();
});

it.each([
  ['n:abc', undefined],
  ['n:*', undefined],
  ['n:abc', 'other.1'],
  ['n:*', 'abc.1'],
  ['r:chat', 'abc.1'],
  ['*', 'abc.1'],
  ['n:abc', 'abc'],
  ['n:abc', 'abc.'],
  ['n:abc', 'abc.1.2'],
  ['n:abc', 'abc.A'],
  ['n:abc', 7],
])('drops a push on %s to %p', (channel, to) => {
  expect(read(channel, { text: 'x', to })).toBeUndefined();
});

it('drops text that is not UTF-8', () => {
  const one = wire();
  expect(one.read('shop:*', Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff]), Buffer.from('"}')]))).toBe(
    undefined,
  );
  expect(one.drops.bad_foreign).toBe(1);
});

it('does not lose a field that is called __proto__', () => {
  expect(payloadOf(read('*', '{"event":"x","data":{"__proto__":{"a":1}}}')!).data).toBe(
    '{"event":"x","data":{"__proto__":{"a":1}}}',
  );
  expect(read('*', '{"text":"x","__proto__":{"except":[]}}')).toBeUndefined();
});

it.each([{ foreignPublishers: false }, { keys: ['k'.repeat(32)] }])('refuses every push with %j', (options) => {
  const one = wire(options);
  expect(read('*', { text: 'x' }, one)).toBeUndefined();
  expect(one.drops.foreign_refused).toBe(1);
});
