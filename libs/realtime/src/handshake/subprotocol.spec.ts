import { fakeRequest } from '../../../../test/support/fakes/fake-socket.js';
import type { Gateway } from '../gateway.js';
import { HandshakeRequest } from '../handshake-request.js';
import { agreedProtocol } from './subprotocol.js';

function agreed(protocols: Gateway['protocols'], offered: string | undefined, transport = 'websocket'): string {
  const headers: Record<string, string> = offered === undefined ? {} : { 'sec-websocket-protocol': offered };
  const request = new HandshakeRequest(fakeRequest({ headers }), { path: '/ws', transport });
  return agreedProtocol({ name: 'Gateway', path: '/ws', protocols }, request);
}

describe('The agreed subprotocol', () => {
  it.each([
    ['none, where the gateway lists none', undefined, 'chat', ''],
    ['none, where the list is empty', [], 'chat', ''],
    ['the first offered name that is in the list', ['v1', 'v2'], 'v3, v2, v1', 'v2'],
    ['none, where no offered name is in the list', ['v1'], 'v2, v3', ''],
    ['none, where the client offers none', ['v1'], undefined, ''],
    ['none, where the case differs', ['v1'], 'V1', ''],
    ['never a credential', ['bearer.v1'], 'bearer.v1', ''],
    ['chosen among the names of the application', (names: readonly string[]) => names[0], 'bearer.x, v1', 'v1'],
    ['the name that the function returns', (names: readonly string[]) => names.at(-1), 'v1, bearer.x, v2', 'v2'],
    ['none, where the function returns nothing', () => undefined, 'v1', ''],
    ['none, where the function returns false', () => false as const, 'v1', ''],
  ])('is %s', (_what, protocols, offered, expected) => {
    expect(agreed(protocols, offered)).toBe(expected);
  });

  it.each<[string, Gateway['protocols']]>([
    ['lists none', undefined],
    ['lists another one', ['v1']],
    ['chooses another one', () => 'v1'],
  ])('is realtime.v1 for a client library, where the gateway %s', (_what, protocols) => {
    expect(agreed(protocols, 'v1, realtime.v1, bearer.x')).toBe('realtime.v1');
    expect(agreed(protocols, 'v1, realtime.v1, hello.eyJ2IjoxfQ')).toBe('realtime.v1');
  });

  it('is none on transports that have no subprotocols', () => {
    expect(agreed(['v1'], 'v1', 'sse')).toBe('');
  });

  it('is chosen by a function that sees the request', () => {
    const seen: string[] = [];
    agreed((_names, { path }) => void seen.push(path) as undefined, 'v1');
    expect(seen).toEqual(['/ws']);
  });

  it.each(['v2', 'bearer.x', Promise.resolve('v1')])('is refused where the function returns %p', (chosen) => {
    expect(() => agreed(() => chosen as string, 'v1, bearer.x')).toThrow('return one of the names that it was given');
  });
});
