import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import { HandshakeError } from '../errors.js';
import { isAllowedOrigin, requireOrigin } from './origin.js';

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

/** The refusal of a request with these headers: what the client gets, and what the log says. */
function refusalOf(headers: Record<string, string>, allowed: readonly string[]): HandshakeError | undefined {
  try {
    requireOrigin(fakeRequest({ headers: { host: 'example.com', ...headers } }), () => ({}), allowed);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(HandshakeError);
    return error as HandshakeError;
  }
}

describe('a request without an Origin', () => {
  const said = (site?: string, dest?: string, mode?: string): Record<string, string> => ({
    ...(site && { 'sec-fetch-site': site }),
    ...(dest && { 'sec-fetch-dest': dest }),
    ...(mode && { 'sec-fetch-mode': mode }),
  });

  it.each([
    ['a program', said()],
    ['a user who types the address', said('none', 'document', 'navigate')],
    ['a link on a page of the same origin', said('same-origin', 'document', 'navigate')],
    ['fetch on a page of the same origin', said('same-origin', 'empty', 'cors')],
    ['WebSocket on a page of the same origin', said('same-origin', 'websocket', 'websocket')],
    ['a browser to come', said('next-door', 'hologram', 'beam')],
  ])('passes when it comes from %s', (_who, headers) => {
    for (const allowed of [NOTHING, APP, ['*']]) expect(refusalOf(headers, allowed)).toBeUndefined();
  });

  it.each([
    ['an image on another site', said('cross-site', 'image', 'no-cors')],
    ['a link on another site', said('cross-site', 'document', 'navigate')],
    ['fetch without CORS on another site', said('cross-site', 'empty', 'no-cors')],
    ['an image on a subdomain', said('same-site', 'image', 'no-cors')],
    ['a frame on a subdomain', said('same-site', 'iframe', 'navigate')],
    ['an image that a user has posted on the same site', said('same-origin', 'image', 'no-cors')],
    ['a frame on the same site', said('same-origin', 'iframe', 'navigate')],
  ])('is refused when it comes from %s, unless every origin is allowed', (_who, headers) => {
    for (const allowed of [NOTHING, APP, ['null']]) expect(refusalOf(headers, allowed)?.status).toBe(403);
    expect(refusalOf(headers, ['*'])).toBeUndefined();
  });

  it('is refused with a line in the log that names the header and the setting', () => {
    const { body, message } = refusalOf(said('cross-site', 'image'), APP)!;
    expect(message).toBe(
      'No Origin, and Sec-Fetch-Site: cross-site: only REALTIME_ALLOWED_ORIGINS=* allows that, ' +
        'now https://app.example.com',
    );
    expect(body).toEqual({
      statusCode: 403,
      message:
        'A browser sent this request without an Origin and with "Sec-Fetch-Site: cross-site": connect from a script',
    });
  });
});

describe('the refusal of an Origin', () => {
  it.each([
    [NOTHING, 'empty'],
    [[...APP, 'null'], 'https://app.example.com, null'],
  ])('logs what was compared with what, where %j is allowed', (allowed, listed) => {
    const { body, message } = refusalOf({ origin: 'https://evil.org', 'sec-fetch-site': 'cross-site' }, allowed)!;
    expect(message).toBe(
      'Origin https://evil.org is neither that of the host example.com ' +
        `nor in REALTIME_ALLOWED_ORIGINS (${listed})`,
    );
    // The client does not learn who else may connect
    expect(JSON.stringify(body)).not.toContain('app.example.com');
  });

  it('names the setting also when the Origin is very long', () => {
    const { message } = refusalOf({ origin: `https://${'a'.repeat(15_000)}.org` }, NOTHING)!;
    expect(message.slice(0, 200)).toContain('REALTIME_ALLOWED_ORIGINS (empty)');
  });

  it('leaves an Origin that is allowed to the list, whatever the browser says about its site', () => {
    expect(refusalOf({ origin: APP[0]!, 'sec-fetch-site': 'same-site' }, APP)).toBeUndefined();
  });
});
