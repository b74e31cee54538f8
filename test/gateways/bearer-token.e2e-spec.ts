/** `bearerToken()` in one guard that stands before gateways and controllers, on both platforms. */
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  bearerToken,
  type HandshakeRequest,
  RealtimeSettings,
  type TokenRequest,
  WebSocketGateway,
} from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { offer, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';

/** The token that the guard saw last, and the one that the hook saw. */
const seen: { guard?: string; hook?: string } = {};

@Injectable()
class Guard implements CanActivate {
  constructor(private readonly settings: RealtimeSettings) {}

  canActivate(context: ExecutionContext): boolean {
    seen.guard = bearerToken(context.switchToHttp().getRequest<TokenRequest>(), this.settings);
    return seen.guard === 'secret';
  }
}

@Controller('route')
class Route {
  @Get()
  get() {
    return 'admitted';
  }
}

@WebSocketGateway({ path: '/ws', protocols: ['chat'] })
class Gateway {
  onHandshake(request: HandshakeRequest) {
    seen.hook = bearerToken(request);
    if (seen.hook !== request.token) throw new Error('The two differ');
  }
}

const HIDDEN = `bearer.${Buffer.from('secret').toString('base64url')}`;

describe.each(PLATFORMS)('bearerToken() on $platform', ({ adapter }) => {
  let app: TestApp;
  beforeAll(async () => {
    const providers = [Gateway, { provide: APP_GUARD, useClass: Guard }];
    // The streams that were left do not come back to hear of the shutdown
    const options = { queryToken: 'access_token', cookieToken: 'jwt', closeTimeout: 0.05 };
    app = await startApp(adapter(), { providers, controllers: [Route], options });
  });
  afterAll(() => app.close());
  beforeEach(() => {
    delete seen.guard;
    delete seen.hook;
  });

  const PLACES: [string, string, Record<string, string>][] = [
    ['Authorization', '', { authorization: 'Bearer secret' }],
    ['a query parameter', '?access_token=secret', {}],
    ['a cookie', '', { cookie: 'a=1; jwt=secret' }],
  ];

  it.each(PLACES)(
    'finds a token in %s of a controller, of a WebSocket and of a stream',
    async (_place, query, headers) => {
      expect((await fetch(`${app.url}/route${query}`, { headers })).status).toBe(200);
      await app.connect(`/ws${query}`, { headers });
      expect(seen).toEqual({ guard: 'secret', hook: 'secret' });
      delete seen.hook;
      const left = new AbortController();
      const stream = { headers: { ...headers, accept: 'text/event-stream' }, signal: left.signal };
      expect((await fetch(`${app.url}/ws${query}`, stream)).status).toBe(200);
      left.abort();
      expect(seen).toEqual({ guard: 'secret', hook: 'secret' });
    },
  );

  it('finds a token among the subprotocols, and agrees to the other one', async () => {
    expect(await offer(`${app.url}/ws`, `${HIDDEN}, chat`)).toEqual({ status: 101, protocol: 'chat' });
    expect(seen).toEqual({ guard: 'secret', hook: 'secret' });
  });

  it('finds no token where there is none, so that the guard refuses', async () => {
    expect(await offer(`${app.url}/ws?token=secret`, 'chat')).toEqual({ status: 403, protocol: undefined });
    expect((await fetch(`${app.url}/route`, { headers: { cookie: 'other=secret' } })).status).toBe(403);
  });
});
