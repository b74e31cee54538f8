import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import { HandshakeRequest } from '../handshake-request.js';
import { bearerToken, type TokenSources } from './bearer-token.js';

const BOTH: TokenSources = { queryToken: 'access_token', cookieToken: 'jwt' };
const ALL = {
  authorization: 'Bearer from-header',
  'sec-websocket-protocol': `chat, bearer.${Buffer.from('from-protocol').toString('base64url')}`,
  cookie: 'other=1; jwt=from%2Dcookie',
};
const URL = '/ws?a=1&access_token=from-query';

describe.each([
  [
    'a request of Node',
    (headers: Record<string, string>, url: string) => bearerToken(fakeRequest({ headers, url }), BOTH),
  ],
  [
    'a HandshakeRequest, which knows the settings',
    (headers: Record<string, string>, url: string) =>
      bearerToken(new HandshakeRequest(fakeRequest({ headers, url }), { path: '/ws', tokenSources: BOTH })),
  ],
])('bearerToken() of %s', (_what, tokenOf) => {
  it('takes Authorization first, then the subprotocol, the query and the cookie', () => {
    const headers: Record<string, string> = { ...ALL };
    const found = [tokenOf(headers, URL)];
    delete headers['authorization'];
    found.push(tokenOf(headers, URL));
    delete headers['sec-websocket-protocol'];
    found.push(tokenOf(headers, URL), tokenOf(headers, '/ws'), tokenOf({}, '/ws'));
    expect(found).toEqual(['from-header', 'from-protocol', 'from-query', 'from-cookie', undefined]);
  });

  it.each(['Basic abc', 'Bearer', 'Bearer ', 'Bearer a b'])('finds none in "Authorization: %s"', (authorization) => {
    expect(tokenOf({ authorization }, '/ws')).toBeUndefined();
  });
});

describe('bearerToken()', () => {
  it('reads neither the query nor a cookie where no setting names them', () => {
    const { cookie } = ALL;
    const request = fakeRequest({ headers: { cookie }, url: URL });
    expect([bearerToken(request), bearerToken(request, { queryToken: '', cookieToken: '' })]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('prefers what the cookie parser of the application has found', () => {
    const headers = { cookie: 'jwt=raw' };
    expect(bearerToken({ headers, cookies: { jwt: 'parsed' } }, BOTH)).toBe('parsed');
    expect(bearerToken({ headers, cookies: { jwt: { forged: true } } }, BOTH)).toBeUndefined();
  });

  it('records for a HandshakeRequest the cookie that it has read: it is the credential', () => {
    const request = new HandshakeRequest(fakeRequest({ headers: { cookie: ALL.cookie } }), {
      path: '/ws',
      tokenSources: BOTH,
    });
    expect([request.token, [...request.cookiesRead]]).toEqual(['from-cookie', ['jwt']]);
  });
});
