import type { Socket } from 'node:net';
import { fakeRequest, type FakeRequestParts } from '../../../test/support/fakes/fake-socket.js';
import { HandshakeRequest } from './handshake-request.js';
import { addressOf, splitTarget } from './http/platform-request.js';

const request = (parts: FakeRequestParts = {}) => new HandshakeRequest(fakeRequest(parts), { path: '/ws' });
const cookies = (cookie: string) => request({ headers: { cookie } }).cookies;

describe('a handshake request', () => {
  it('returns the target as it was sent, the path of the gateway and the headers', () => {
    const found = request({ url: '/ws?a=1', headers: { 'x-id': '7' } });
    expect([found.url, found.path, found.headers['x-id'], found.params]).toEqual(['/ws?a=1', '/ws', '7', {}]);
  });

  it('returns the parameters of the path', () => {
    expect(new HandshakeRequest(fakeRequest(), { path: '/rooms/:id', params: { id: '7' } }).params).toEqual({
      id: '7',
    });
  });

  it('parses the query once', () => {
    const found = request({ url: '/ws?a=1&a=2&b=x%20y+z&c' });
    expect([found.query.getAll('a'), found.query.get('b'), found.query.get('c'), found.query.get('d')]).toEqual([
      ...[['1', '2'], 'x y z', '', null],
    ]);
    expect(found.query).toBe(found.query);
  });

  it('returns an empty query for a target without one', () => {
    expect([...request({ url: '/ws' }).query, ...request({ url: '/ws?' }).query]).toEqual([]);
  });

  it('returns the offered subprotocols in their order', () => {
    const offered = (header: string) => request({ headers: { 'sec-websocket-protocol': header } }).protocols;
    expect([offered('chat, json,,v2 '), offered(''), request().protocols]).toEqual([['chat', 'json', 'v2'], [], []]);
  });

  it('returns only the subprotocols of the application', () => {
    const header = 'bearer.x, chat, realtime.v1, hello.eyJ2IjoxfQ';
    expect(request({ headers: { 'sec-websocket-protocol': header } }).protocols).toEqual(['chat']);
  });

  it('returns what a client library says of itself, and nothing for a bare client', () => {
    const headers = { 'sec-websocket-protocol': 'realtime.v1, hello.eyJ2IjoxLCJzZWVuIjo3fQ' };
    const found = request({ headers });
    expect(found.hello).toEqual({ seen: 7, was: [], rooms: new Map() });
    expect(found.hello).toBe(found.hello);
    expect(request().hello).toBeUndefined();
  });

  it('returns the user and the session that middleware put on the request', () => {
    const found = request({ extras: { user: { id: 7 }, session: { cart: [] } } });
    expect([found.user, found.session]).toEqual([{ id: 7 }, { cart: [] }]);
    expect([request().user, request().session]).toEqual([undefined, undefined]);
  });
});

describe('cookies', () => {
  it('decodes the cookies of the header', () => {
    expect(cookies('a=1; b=x%20y;c=%C3%A9; d="quoted"')).toEqual({ a: '1', b: 'x y', c: 'é', d: 'quoted' });
  });

  it('returns no cookies without a header', () => {
    expect(request().cookies).toEqual({});
  });

  it('takes the first of two cookies with one name, because the more specific path is sent first', () => {
    expect(cookies('sid=first; sid=second')).toEqual({ sid: 'first' });
  });

  it('accepts cookies that hold an equals sign or nothing', () => {
    expect(cookies('token=a=b==; empty=')).toEqual({ token: 'a=b==', empty: '' });
  });

  it('leaves a cookie with a malformed escape as it was sent', () => {
    expect(cookies('bad=%E0%A4%A; good=1')).toEqual({ bad: '%E0%A4%A', good: '1' });
  });

  it('leaves out cookies without a name or without an equals sign', () => {
    expect(cookies('=x; flag; ;; a=1;')).toEqual({ a: '1' });
  });

  it('treats cookies with dangerous names as data that reaches no prototype', () => {
    const found = cookies('__proto__=polluted; constructor=x; toString=y');
    expect(Object.keys(found)).toEqual(['__proto__', 'constructor', 'toString']);
    expect([found['__proto__'], ({} as { polluted?: unknown }).polluted]).toEqual(['polluted', undefined]);
    expect(Object.getPrototypeOf(cookies('a=1'))).toBeNull();
  });

  it("prefers the cookies of the application's cookie parser", () => {
    const parsed = { a: 'signed and checked' };
    expect(request({ headers: { cookie: 'a=raw' }, extras: { cookies: parsed } }).cookies).toEqual(parsed);
  });

  it('records the cookies that are read by name, not those that are only present', () => {
    const asked = request({ headers: { cookie: 'a=1; b=2' } });
    expect([asked.cookies['a'], 'b' in asked.cookies, asked.cookies['c']]).toEqual(['1', true, undefined]);
    expect([...asked.cookiesRead]).toEqual(['a', 'c']);
  });
});

describe('the address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['::1', '::1'],
    ['2001:db8::ffff:1', '2001:db8::ffff:1'],
    ['::ffff:7f00:1', '::ffff:7f00:1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    [undefined, 'unknown'],
  ])('shows a peer at %s as address %s', (remoteAddress, address) => {
    expect(request({ remoteAddress }).address).toBe(address);
    expect(addressOf({ remoteAddress } as Socket)).toBe(address);
  });

  it('takes the address from the socket, not from headers of the client', () => {
    const headers = { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', 'x-real-ip': '10.0.0.1' };
    expect(request({ headers }).address).toBe('192.0.2.7');
  });
});

describe('splitting a target', () => {
  it.each([
    ['/ws', '/ws', ''],
    ['/ws?', '/ws', ''],
    ['/ws?a=1', '/ws', 'a=1'],
    ['/ws?a=1?b=2', '/ws', 'a=1?b=2'],
    ['', '', ''],
    ['?', '', ''],
    ['//evil.org/ws?x', '//evil.org/ws', 'x'],
    ['http://evil.org/ws', 'http://evil.org/ws', ''],
    ['/%zz', '/%zz', ''],
  ])('splits the target %j into path %j and query %j without throwing', (target, path, query) => {
    expect(splitTarget(target)).toEqual({ path, query });
  });
});
