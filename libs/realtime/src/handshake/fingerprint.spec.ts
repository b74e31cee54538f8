import type { IncomingMessage } from 'node:http';
import { HandshakeRequest } from '../handshake-request.js';
import { fingerprintOf, matches } from './fingerprint.js';

interface Parts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly user?: unknown;
  readonly session?: unknown;
  readonly cookies?: Record<string, never>;
}

const request = ({ headers = {}, url = '/ws', ...extras }: Parts = {}) => {
  const node = Object.assign({ headers, url, socket: {} } as unknown as IncomingMessage, extras);
  return new HandshakeRequest(node, { path: '/ws', tokenSources: { queryToken: 'access_token' } });
};
/** A handshake whose `onHandshake` reads these cookies. */
const handshake = (parts: Parts, ...reads: string[]) => {
  const made = request(parts);
  for (const name of reads) void made.cookies[name];
  return fingerprintOf(made);
};
const withCookie = (cookie: string): Parts => ({ headers: { cookie } });

describe('matches', () => {
  it('compares only the user where there is one', () => {
    const owner = handshake({ user: { id: 7 }, headers: { authorization: 'Bearer old', cookie: 'a=1' } }, 'a');
    expect(matches(owner, request({ user: { sub: '7' }, headers: { authorization: 'Bearer new' } }))).toBe(true);
    expect(matches(owner, request({ user: { id: 8 }, headers: { authorization: 'Bearer old', cookie: 'a=1' } }))).toBe(
      false,
    );
    expect(matches(owner, request())).toBe(false);
  });

  it('compares the session, also after its visitor has logged in', () => {
    const owner = handshake({ session: { id: 's1', cart: 1 } });
    expect(matches(owner, request({ session: { sessionId: 's1', cart: 2 }, user: { id: 7 } }))).toBe(true);
    expect(matches(owner, request({ session: { id: 's2', cart: 1 } }))).toBe(false);
  });

  it('ignores an empty session that the client did not send, because the next request has another one', () => {
    // as express-session makes it: its id is not enumerable
    const empty = (id: string) => Object.defineProperty({ cookie: {} }, 'id', { value: id });
    expect(matches(handshake({ session: empty('s1') }), request({ session: empty('s2') }))).toBe(true);
    const sent = handshake({ session: empty('s1'), ...withCookie('sid=s1') });
    expect(matches(sent, request({ session: empty('s2'), ...withCookie('sid=s2') }))).toBe(false);
  });

  it.each([
    ['Authorization', { headers: { authorization: 'Basic ann' } }, { headers: { authorization: 'Basic bob' } }],
    ['a token in the query', { url: '/ws?access_token=ann' }, { url: '/ws?access_token=bob' }],
    [
      'a token in the subprotocol list',
      { headers: { 'sec-websocket-protocol': 'bearer.YW5u' } },
      { headers: { 'sec-websocket-protocol': 'bearer.Ym9i' } },
    ],
  ] as [string, Parts, Parts][])('compares %s', (_name, ann, bob) => {
    const owner = handshake(ann);
    expect(matches(owner, request(ann))).toBe(true);
    expect(matches(owner, request(bob))).toBe(false);
    expect(matches(owner, request())).toBe(false);
  });

  it('compares the cookies that onHandshake has read, and no others', () => {
    const owner = handshake(withCookie('token=ann; balancer=1; seen=1'), 'token', 'absent');
    expect(matches(owner, request(withCookie('balancer=2; token=ann')))).toBe(true);
    expect(matches(owner, request(withCookie('token=ann; absent=here now')))).toBe(true);
    expect(matches(owner, request(withCookie('token=bob; balancer=1; seen=1')))).toBe(false);
    expect(matches(owner, request())).toBe(false);
  });

  it('demands all credentials of the handshake, and accepts more', () => {
    const headers = { authorization: 'Bearer ann', cookie: 'device=1' };
    const owner = handshake({ headers }, 'device');
    expect(matches(owner, request({ headers: { ...headers, cookie: 'device=1; a=2' } }))).toBe(true);
    expect(matches(owner, request({ headers: { ...headers, cookie: 'device=2' } }))).toBe(false);
    expect(matches(owner, request({ headers: { ...headers, authorization: 'Bearer bob' } }))).toBe(false);
  });

  it('compares a cookie that a parser has made an object of', () => {
    const cart = (name: string) => request({ cookies: { cart: { name } as never } });
    const first = cart('ann');
    void first.cookies['cart'];
    expect(matches(fingerprintOf(first), cart('ann'))).toBe(true);
    expect(matches(fingerprintOf(first), cart('bob'))).toBe(false);
  });

  it('accepts any request where the handshake had no credentials, or onHandshake read none', () => {
    expect(matches(handshake({}), request(withCookie('token=bob')))).toBe(true);
    expect(matches(handshake(withCookie('token=ann')), request(withCookie('token=bob')))).toBe(true);
  });

  it('compares digests: the fingerprint keeps no credential', () => {
    const owner = handshake({ headers: { authorization: 'Bearer secret', cookie: 'token=secret' } }, 'token');
    expect([...owner.keys()]).toEqual(['authorization', 'token', 'cookie:token']);
    expect(JSON.stringify([...owner])).not.toContain('secret');
  });
});
