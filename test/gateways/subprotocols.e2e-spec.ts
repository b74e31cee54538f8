/** Subprotocols (RFC 6455 §4.2.2): what a gateway agrees to, and what a bare client sees of it. */
import { ForbiddenException } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Connection, HandshakeRequest, RealtimeGatewayOptions } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { offer, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';

function gatewayAt(path: string, options: RealtimeGatewayOptions, members: object = {}) {
  class Gateway {
    onOpen(connection: Connection) {
      connection.send(connection.protocol);
    }
  }
  Object.assign(Gateway.prototype, members);
  WebSocketGateway({ path, ...options })(Gateway);
  return Gateway;
}

const choose = (offered: readonly string[], request: HandshakeRequest) =>
  request.query.get('choose') ?? offered.find((name) => name.startsWith('v'));

const refuseUnknown = {
  onHandshake({ protocols }: HandshakeRequest) {
    if (!protocols.includes('v1')) throw new ForbiddenException('Speak v1');
  },
};

describe.each(PLATFORMS)('The subprotocol on $platform', ({ adapter }) => {
  let app: TestApp;
  beforeAll(async () => {
    const providers = [
      gatewayAt('/none', {}),
      gatewayAt('/list', { protocols: ['v1', 'v2'] }),
      gatewayAt('/function', { protocols: choose }),
      gatewayAt('/strict', { protocols: ['v1'] }, refuseUnknown),
    ];
    app = await startApp(adapter(), { providers });
  });
  afterAll(() => app.close());

  it.each([
    ['/none', 'v1, v2', undefined],
    ['/none', undefined, undefined],
    ['/list', 'v3, v2, v1', 'v2'],
    ['/list', 'bearer.c2VjcmV0, v1', 'v1'],
    ['/list', 'v3, constructor', undefined],
    ['/list', 'bearer.c2VjcmV0', undefined],
    ['/list', undefined, undefined],
    ['/function', 'chat, v7', 'v7'],
    ['/function', 'chat', undefined],
    ['/strict', 'v2, v1', 'v1'],
  ])('of a gateway at %s is for the offer %s in the 101: %s', async (path, offered, protocol) => {
    expect(await offer(app.url + path, offered)).toEqual({ status: 101, protocol });
  });

  it('is in connection.protocol', async () => {
    expect(await (await app.connect('/list', { protocols: ['v3', 'v1'] })).next()).toBe('v1');
  });

  it('is refused with 403 by an onHandshake that knows none of the offered ones', async () => {
    expect(await offer(`${app.url}/strict`, 'v2')).toEqual({ status: 403, protocol: undefined });
  });

  it.each(['v2', 'bearer.x'])(
    'is refused with 500 where the function returns %s, which was not offered',
    async (name) => {
      expect((await offer(`${app.url}/function?choose=${name}`, 'v1, bearer.x')).status).toBe(500);
    },
  );
});

it.each([
  ['an empty list', []],
  ['a credential', ['bearer.x']],
  ['a name that is not a token', ['a b']],
  ['a text', 'v1'],
])('the boot stops where protocols is %s', async (_what, protocols) => {
  const providers = [gatewayAt('/ws', { protocols: protocols as string[] })];
  const boot = startApp(new ExpressAdapter(), { providers });
  await expect(boot).rejects.toThrow(/protocols in @WebSocketGateway\(\) is .*expected a list of names/);
});
