import { HandshakeError } from '../errors.js';
import { helloOf, isOfApplication } from './hello.js';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const offered = (...names: string[]) => ({ 'sec-websocket-protocol': names.join(', ') });
const overWebSocket = (value: unknown) => helloOf(offered('realtime.v1', `hello.${encoded(value)}`), 'websocket');

const FULL = {
  ...{ v: 1, session: 'a'.repeat(44), seen: 118, was: ['YMw8vNRo20tX.2'] },
  ...{ rooms: { k3f9a0Bz: '58.a3f1xY', '__-_--_9': '0.AAAAAA' }, user: '12.q0q0q0' },
};

const READ = {
  ...{ session: 'a'.repeat(44), seen: 118, was: ['YMw8vNRo20tX.2'] },
  rooms: new Map([
    ['k3f9a0Bz', { n: 58, tag: 'a3f1xY' }],
    ['__-_--_9', { n: 0, tag: 'AAAAAA' }],
  ]),
  user: { n: 12, tag: 'q0q0q0' },
};

describe('The hello of a client library', () => {
  it('is read from a subprotocol of a WebSocket', () => {
    expect(overWebSocket(FULL)).toEqual(READ);
  });

  it.each(['sse', 'polling'])('is read from a header of %s', (transport) => {
    expect(helloOf({ 'x-realtime-hello': encoded(FULL) }, transport)).toEqual(READ);
  });

  it('has defaults for what it leaves out', () => {
    expect(overWebSocket({ v: 1 })).toEqual({ seen: 0, was: [], rooms: new Map() });
  });

  it('is empty where a WebSocket offers only realtime.v1', () => {
    expect(helloOf(offered('chat', 'realtime.v1'), 'websocket')).toEqual({ seen: 0, was: [], rooms: new Map() });
  });

  it('is not there in the handshake of a bare client', () => {
    expect(helloOf({}, 'websocket')).toBeUndefined();
    expect(helloOf(offered('chat', 'bearer.x'), 'websocket')).toBeUndefined();
    expect(helloOf({}, 'sse')).toBeUndefined();
  });

  it('stands where the transport has it, and nowhere else', () => {
    expect(helloOf({ 'x-realtime-hello': encoded(FULL) }, 'websocket')).toBeUndefined();
    expect(helloOf(offered('realtime.v1', `hello.${encoded(FULL)}`), 'polling')).toBeUndefined();
  });

  it('may have fields of later versions', () => {
    expect(overWebSocket({ ...FULL, more: [1] })).toEqual(READ);
  });

  it.each<[string, object, string]>([
    ['another version', { ...FULL, v: 2 }, '"v"'],
    ['no version', { seen: 1 }, '"v"'],
    ['a session that is a number', { ...FULL, session: 7 }, '"session"'],
    ['a session with other characters', { ...FULL, session: 'a.b' }, '"session"'],
    ['a session that is too long', { ...FULL, session: 'a'.repeat(65) }, '"session"'],
    ['a negative count', { ...FULL, seen: -1 }, '"seen"'],
    ['a broken count', { ...FULL, seen: 1.5 }, '"seen"'],
    ['a count that is a text', { ...FULL, seen: '1' }, '"seen"'],
    ['earlier ids that are no list', { ...FULL, was: 'a.1' }, '"was"'],
    ['nine earlier ids', { ...FULL, was: Array(9).fill('a.1') }, '"was"'],
    ['an earlier id that is none', { ...FULL, was: ['a'] }, '"was"'],
    ['rooms that are a list', { ...FULL, rooms: [] }, '"rooms"'],
    ['a key that is too short', { ...FULL, rooms: { k3f9: '58.a3f1xY' } }, '"rooms"'],
    ['a position without a tag', { ...FULL, rooms: { k3f9a0Bz: '58' } }, '"rooms"'],
    ['a position that is a number', { ...FULL, rooms: { k3f9a0Bz: 58 } }, '"rooms"'],
    ['a position of 16 digits', { ...FULL, rooms: { k3f9a0Bz: '1234567890123456.a3f1xY' } }, '"rooms"'],
    ["a user's position that is none", { ...FULL, user: {} }, '"user"'],
    ['a list in place of an object', [], 'JSON object'],
  ])('with %s is refused with 400', (_what, value, named) => {
    expect(() => overWebSocket(value)).toThrow(HandshakeError);
    expect(() => overWebSocket(value)).toThrow(expect.objectContaining({ status: 400 }));
    expect(() => overWebSocket(value)).toThrow(named);
  });

  it.each([
    ['', 'base64url'],
    ['a=b', 'base64url'],
    ['e30, e30', 'base64url'],
    ['bm90IGpzb24', 'JSON object'],
    ['bnVsbA', 'JSON object'],
    ['a'.repeat(6145), '6144'],
  ])('that reads %.20s is refused with 400', (line, why) => {
    expect(() => helloOf({ 'x-realtime-hello': line }, 'sse')).toThrow(why);
  });

  it('is refused without realtime.v1, and twice', () => {
    expect(() => helloOf(offered('chat', 'hello.e30'), 'websocket')).toThrow('Offer the subprotocol realtime.v1');
    expect(() => helloOf(offered('realtime.v1', 'hello.e30', 'hello.e31'), 'websocket')).toThrow('Offer one');
  });

  it('does not take a name of JavaScript for a room', () => {
    const line = Buffer.from('{"v":1,"rooms":{"__proto__":"1.AAAAAA"}}').toString('base64url');
    expect(() => helloOf({ 'x-realtime-hello': line }, 'sse')).toThrow('"rooms"');
  });
});

it('The names realtime.v1, hello.… and bearer.… are not those of an application', () => {
  expect(['chat', 'realtime.v1', 'hello.e30', 'bearer.x', 'realtime.v2'].filter(isOfApplication)).toEqual([
    ...['chat', 'realtime.v2'],
  ]);
});
