import { packData, packMessages, unpackData, unpackMessages } from './relay-bodies.js';
import { DONE, FORWARD, RELAY } from './relay-schemas.js';

const text = (data: string) => ({ data: Buffer.from(data), isBinary: false });
const digest = 'a'.repeat(43);

describe('The messages of a client', () => {
  it('are read as they were written', () => {
    const messages = [text('hi'), { data: Buffer.from([0, 255]), isBinary: true }, text('')];
    expect(packMessages(messages).toString('hex')).toBe('00000000026869' + '010000000200ff' + '0000000000');
    expect(unpackMessages(packMessages(messages))).toEqual(messages);
    expect(unpackMessages(packMessages([]))).toEqual([]);
  });

  it.each([
    ['a kind that is neither text nor binary', '020000000161'],
    ['a length beyond the end', '000000000261'],
    ['a head that is cut', '00000000'],
    ['text that is not UTF-8', '0000000001ff'],
  ])('with %s are none', (_what, hex) => {
    expect(unpackMessages(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});

describe('A part of a response', () => {
  it('is read as it was written', () => {
    const data = { id: '1f', seq: 2 ** 32 - 1, bytes: Buffer.from('hi') };
    expect(packData(data).toString('hex')).toBe('02' + '3166' + 'ffffffff' + '6869');
    expect(unpackData(packData(data))).toEqual(data);
  });

  it.each(['', '02', '0231660000', '02316600000000', '0000000001', '022e2e00000001'])('is not %p', (hex) => {
    expect(unpackData(Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});

describe('The JSON of a request', () => {
  const forward = { id: 1, tokenDigest: digest, ownerDigests: [digest], path: '/ws', method: 'POST' };
  const open = {
    ...{ type: 'open', id: '1', tokenDigest: digest, ownerDigests: [], path: '/ws', transport: 'sse' },
    ...{ position: 0, salt: 'a'.repeat(22), credit: 1, era: 0 },
  };

  it('is accepted as it is sent', () => {
    expect(FORWARD.parse({ ...forward, messageId: 'm.1:2_-' })).toEqual({ ...forward, messageId: 'm.1:2_-' });
    expect(RELAY.parse(open)).toEqual(open);
    expect(DONE.parse({ id: 1, status: 204 })).toEqual({ id: 1, status: 204 });
  });

  it.each<[string, object]>([
    ['no id', { id: undefined }],
    ['a digest that is none', { tokenDigest: 'x' }],
    ['33 digests', { ownerDigests: Array(33).fill(digest) }],
    ['no path', { path: '' }],
    ['another method', { method: 'PUT' }],
    ['a message id with a space', { messageId: 'a b' }],
    ['a message id that is too long', { messageId: 'a'.repeat(65) }],
  ])('is refused with %s', (_what, wrong) => {
    expect(FORWARD.safeParse({ ...forward, ...wrong }).success).toBe(false);
  });

  it.each<[string, object]>([
    ['another type', { type: 'shut' }],
    ['an id with a dot', { id: 'a.b' }],
    ['no credit', { credit: 0 }],
    ['a negative position', { position: -1 }],
    ['a salt that is too short', { salt: 'a' }],
    ['a transport that is not a name', { transport: 'SSE\n' }],
  ])('opens no relay with %s', (_what, wrong) => {
    expect(RELAY.safeParse({ ...open, ...wrong }).success).toBe(false);
  });

  it.each([
    { status: 100 },
    { status: 600 },
    { status: 429, retryAfter: -1 },
    { status: 403, message: 'x'.repeat(1001) },
  ])('is not answered with %j', (wrong) => {
    expect(DONE.safeParse({ id: 1, ...wrong }).success).toBe(false);
  });

  it.each([{ 'set-cookie': 'a=b' }, { location: 'https://evil.example' }, { 'content-type': 'a\r\nb: c' }])(
    'does not begin a response with the headers %j',
    (headers) => {
      expect(RELAY.safeParse({ type: 'head', id: '1', headers }).success).toBe(false);
    },
  );

  it('begins a response with some headers', () => {
    const head = { type: 'head', id: '1', headers: { 'content-type': 'text/event-stream; charset=utf-8' } };
    expect(RELAY.parse(head)).toEqual(head);
  });
});
