import type { IncomingMessage } from 'node:http';
import { HandshakeRequest } from '../handshake-request.js';
import { MAX_DIGESTS } from '../relay.js';
import { claimOf, matchesClaim, matchesSession, tokenDigest } from './claims.js';
import { fingerprintOf } from './fingerprint.js';

const TOKEN = 'YMw8vNRo20tX'.padEnd(44, 'x');

/** A request with cookies, of which some are read. */
function requestWith(headers: Record<string, string>, read: readonly string[] = [], extras: object = {}) {
  const request = new HandshakeRequest({ headers, ...extras } as unknown as IncomingMessage, { path: '/ws' });
  for (const name of read) void request.cookies[name];
  return request;
}

const claims = (headers: Record<string, string>, extras?: object) => claimOf(TOKEN, requestWith(headers, [], extras));

describe('A claim', () => {
  it.each<[string, HandshakeRequest, Record<string, string>, object]>([
    ['the user', requestWith({}, [], { user: { id: 7 } }), {}, { user: { id: 7 } }],
    ['the Authorization', requestWith({ authorization: 'Bearer a' }), { authorization: 'Bearer a' }, {}],
    ['a cookie', requestWith({ cookie: 'a=1; b=2' }, ['b']), { cookie: 'b=2; a=3' }, {}],
    ['nothing', requestWith({}), { cookie: 'a=1' }, {}],
  ])('matches the owner that is known by %s', (_what, opened, headers, extras) => {
    expect(matchesClaim(fingerprintOf(opened), TOKEN, claims(headers, extras))).toBe(true);
  });

  it.each<[string, HandshakeRequest, Record<string, string>, object]>([
    ['another user', requestWith({}, [], { user: { id: 7 } }), {}, { user: { id: 8 } }],
    ['no user', requestWith({}, [], { user: { id: 7 } }), { authorization: '7' }, {}],
    ['another value of the cookie', requestWith({ cookie: 'b=2' }, ['b']), { cookie: 'b=3' }, {}],
    ['another cookie of that value', requestWith({ cookie: 'b=2' }, ['b']), { cookie: 'a=2' }, {}],
  ])('does not match with %s', (_what, opened, headers, extras) => {
    expect(matchesClaim(fingerprintOf(opened), TOKEN, claims(headers, extras))).toBe(false);
  });

  it('for another token has other digests, so that they say nothing without it', () => {
    const request = requestWith({ authorization: 'Bearer a' });
    const [one, other] = [claimOf(TOKEN, request), claimOf(TOKEN.toLowerCase(), request)];
    expect(one.ownerDigests[0]).not.toBe(other.ownerDigests[0]);
    expect(matchesClaim(fingerprintOf(request), TOKEN, other)).toBe(false);
    expect(one.tokenDigest).toBe(tokenDigest(TOKEN));
  });

  it('has at most 32 digests, those of the cookies that were read among them', () => {
    const cookie = Array.from({ length: 50 }, (_, i) => `c${i}=${i}`).join('; ');
    const opened = requestWith({ cookie: 'c49=49' }, ['c49']);
    const read = claimOf(TOKEN, requestWith({ cookie }, ['c49']));
    expect(read.ownerDigests).toHaveLength(MAX_DIGESTS);
    expect(matchesClaim(fingerprintOf(opened), TOKEN, read)).toBe(true);
    expect(matchesClaim(fingerprintOf(opened), TOKEN, claims({ cookie }))).toBe(false);
  });
});

describe('The claim of a session', () => {
  const ANN = { authorization: 'Bearer ann' };
  const owner = (headers: Record<string, string>, userId?: string) => ({
    ...{ path: '/ws', userId, credentials: fingerprintOf(requestWith(headers)) },
  });
  const claim = (headers: Record<string, string>, userId?: string) => claimOf(TOKEN, requestWith(headers), { userId });

  it('matches the user of the identity, whatever the credentials are', () => {
    expect(matchesSession(owner(ANN, '7'), TOKEN, claim({}, '7'))).toBe(true);
    expect(matchesSession(owner(ANN, '7'), TOKEN, claim(ANN, '8'))).toBe(false);
    expect(matchesSession(owner(ANN, '7'), TOKEN, claim(ANN))).toBe(false);
    expect(matchesSession(owner(ANN, '7'), TOKEN, claimOf(TOKEN, requestWith(ANN)))).toBe(false);
  });

  it('matches the credentials where there is no user', () => {
    expect(matchesSession(owner(ANN), TOKEN, claim(ANN))).toBe(true);
    expect(matchesSession(owner(ANN), TOKEN, claim({}))).toBe(false);
    expect(matchesSession(owner(ANN), TOKEN, claim(ANN, '7'))).toBe(false);
    expect(matchesSession(owner({}, ''), TOKEN, claim({}))).toBe(false);
  });

  it('has at most 32 digests', () => {
    const cookie = Array.from({ length: 50 }, (_, i) => `c${i}=${i}`).join('; ');
    expect(claim({ cookie }, '7').ownerDigests).toHaveLength(MAX_DIGESTS);
  });
});
