import { isAllowedOrigin } from './origin.js';

const NOTHING: readonly string[] = [];
const APP = ['https://app.example.com'];
const WILD = ['https://*.example.com'];

/** origin, host, encrypted, origins allowed besides the same one, may connect */
type Row = readonly [origin: string | undefined, host: string | undefined, boolean, readonly string[], boolean];

const rows: Row[] = [
  // no page sent it
  [undefined, 'example.com', false, NOTHING, true],
  [undefined, undefined, false, NOTHING, true],
  // the same origin
  ['http://example.com', 'example.com', false, NOTHING, true],
  ['http://example.com:3000', 'example.com:3000', false, NOTHING, true],
  ['http://localhost:3000', 'localhost:3000', false, NOTHING, true],
  ['http://EXAMPLE.com', 'example.COM', false, NOTHING, true],
  ['HTTP://example.com', 'example.com', false, NOTHING, true],
  ['http://[::1]:3000', '[::1]:3000', false, NOTHING, true],
  ['http://[2001:DB8::1]', '[2001:db8::1]', false, NOTHING, true],
  ['http://127.0.0.1:3000', '127.0.0.1:3000', false, NOTHING, true],
  ['https://example.com', 'example.com', true, NOTHING, true],
  // default ports
  ['http://example.com', 'example.com:80', false, NOTHING, true],
  ['http://example.com:80', 'example.com', false, NOTHING, true],
  ['https://example.com', 'example.com:443', true, NOTHING, true],
  ['https://example.com:443', 'example.com', true, NOTHING, true],
  ['http://[::1]', '[::1]:80', false, NOTHING, true],
  ['http://example.com:443', 'example.com', false, NOTHING, false],
  ['https://example.com:80', 'example.com', true, NOTHING, false],
  ['http://example.com', 'example.com:8080', false, NOTHING, false],
  ['http://[::1]', '[::80]', false, NOTHING, false],
  // a proxy took TLS off: the page is https, the connection is not
  ['https://example.com', 'example.com', false, NOTHING, true],
  // a page without TLS does not reach an encrypted server
  ['http://example.com', 'example.com', true, NOTHING, false],
  // other hosts
  ['http://evil.org', 'example.com', false, NOTHING, false],
  ['http://sub.example.com', 'example.com', false, NOTHING, false],
  ['http://example.com', 'sub.example.com', false, NOTHING, false],
  ['http://example.com.evil.org', 'example.com', false, NOTHING, false],
  ['http://evilexample.com', 'example.com', false, NOTHING, false],
  ['http://example.co', 'example.com', false, NOTHING, false],
  ['http://localhost:3001', 'localhost:3000', false, NOTHING, false],
  ['http://127.0.0.1:3000', 'localhost:3000', false, NOTHING, false],
  ['http://example.com', undefined, false, NOTHING, false],
  ['http://example.com.', 'example.com', false, NOTHING, false],
  // other schemes are other origins, whatever the host
  ['chrome-extension://example.com', 'example.com', false, NOTHING, false],
  ['app://localhost', 'localhost', false, NOTHING, false],
  // what no browser sends
  ['', 'example.com', false, NOTHING, false],
  ['example.com', 'example.com', false, NOTHING, false],
  ['//example.com', 'example.com', false, NOTHING, false],
  ['http://', '', false, NOTHING, false],
  ['http://example.com/', 'example.com', false, NOTHING, false],
  ['http://example.com/path', 'example.com', false, NOTHING, false],
  ['http://example.com?x', 'example.com', false, NOTHING, false],
  ['http://example.com#x', 'example.com', false, NOTHING, false],
  ['http://user@example.com', 'example.com', false, NOTHING, false],
  ['http://example.com@evil.org', 'example.com', false, NOTHING, false],
  ['http://evil.org@example.com', 'example.com', false, NOTHING, false],
  ['http://example.com, http://evil.org', 'example.com', false, NOTHING, false],
  [' http://example.com', 'example.com', false, NOTHING, false],
  ['http://example.com\n', 'example.com', false, NOTHING, false],
  // null: a sandboxed frame, a file, a redirect
  ['null', 'example.com', false, NOTHING, false],
  ['null', 'null', false, NOTHING, false],
  ['null', 'example.com', false, APP, false],
  ['null', 'example.com', false, ['null'], true],
  ['null', 'example.com', false, ['*'], true],
  ['NULL', 'example.com', false, ['null'], false],
  // the list
  ['https://app.example.com', 'api.example.com', true, APP, true],
  ['https://APP.example.com', 'api.example.com', true, APP, true],
  ['https://app.example.com:443', 'api.example.com', true, APP, true],
  ['https://app.example.com', 'api.example.com', true, ['https://APP.EXAMPLE.com:443'], true],
  ['https://api.example.com', 'api.example.com', true, APP, true],
  ['http://app.example.com', 'api.example.com', false, APP, false],
  ['https://app.example.com:8443', 'api.example.com', true, APP, false],
  ['https://app.example.com.evil.org', 'api.example.com', true, APP, false],
  ['https://evil.org', 'api.example.com', true, [...APP, 'https://evil.org'], true],
  // wildcards stand for one or more labels, and for nothing else
  ['https://app.example.com', 'api.org', true, WILD, true],
  ['https://a.b.example.com', 'api.org', true, WILD, true],
  ['https://example.com', 'api.org', true, WILD, false],
  ['https://evilexample.com', 'api.org', true, WILD, false],
  ['https://app.example.com.evil.org', 'api.org', true, WILD, false],
  ['https://evil.org:1.example.com', 'api.org', true, WILD, false],
  ['https://.example.com', 'api.org', true, WILD, false],
  ['https://evil.org\\.example.com', 'api.org', true, WILD, false],
  ['http://app.example.com', 'api.org', false, WILD, false],
  ['https://app.example.com:8443', 'api.org', true, WILD, false],
  ['https://app.example.com:8443', 'api.org', true, ['https://*.example.com:8443'], true],
  // anybody, when it is spelled out
  ['https://evil.org', 'example.com', true, ['*'], true],
  ['not an origin', 'example.com', true, ['*'], true],
];

describe('isAllowedOrigin', () => {
  it.each(rows)('decides about the origin %j at the host %j (encrypted: %j) with %j allowed: %j', (...row) => {
    const [origin, host, isEncrypted, allowed, expected] = row;
    expect(isAllowedOrigin({ origin, host, isEncrypted }, allowed)).toBe(expected);
  });
});

describe('in development', () => {
  it.each<[string, string, boolean]>([
    ['http://localhost:5173', 'localhost:3000', true],
    ['http://127.0.0.1:5173', 'localhost:3000', true],
    ['http://[::1]:5173', 'localhost:3000', true],
    ['https://localhost', '127.0.0.1:3000', true],
    ['http://LOCALHOST:5173', 'LocalHost:3000', true],
    ['http://localhost.evil.org:3000', 'localhost:3000', false],
    ['http://evil.localhost:3000', 'localhost:3000', false],
    ['http://127.0.0.1.evil.org', '127.0.0.1:3000', false],
    ['http://evil.org', 'localhost:3000', false],
    ['http://localhost:5173', 'example.com', false],
    ['http://localhost:5173', 'localhost.evil.org', false],
    ['null', 'localhost:3000', false],
  ])('decides in development whether a page from %s may connect to %s: %j', (origin, host, expected) => {
    expect(isAllowedOrigin({ origin, host, isEncrypted: false }, NOTHING, true)).toBe(expected);
  });

  it('refuses another local port outside development', () => {
    const facts = { origin: 'http://localhost:5173', host: 'localhost:3000', isEncrypted: false };
    expect(isAllowedOrigin(facts, NOTHING)).toBe(false);
  });
});
