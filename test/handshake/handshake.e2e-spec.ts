/** The matrix {Express, Fastify} × {middleware ends, guard refuses, onHandshake refuses, admitted}, held to an HTTP route. */
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpException,
  Injectable,
  type MiddlewareConsumer,
  Module,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Connection, HandshakeRequest, OnHandshake, OnMessage, OnOpen } from 'nestjs-realtime';
import type { Refusal, TestApp } from 'nestjs-realtime/testing';
import { refusalOf, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';

/** True when the request asks for this with its header `x-want`. */
const wants = (request: { headers: Record<string, unknown> }, what: string) => request.headers['x-want'] === what;

@Injectable()
class GlobalGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest();
    if (context.getType() !== 'http') throw new Error(`ran as ${context.getType()}`);
    if (wants(request, 'global-throws')) throw new UnauthorizedException({ why: 'global' });
    return !wants(request, 'global-refuses');
  }
}

@Injectable()
class ClassGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const response = context.switchToHttp().getResponse();
    if (!wants(context.switchToHttp().getRequest(), 'class-refuses')) return true;
    if (typeof response.header === 'function')
      response.header('x-guard', context.getClass().name.length > 0 ? 'yes' : '');
    throw new HttpException('Too many', 429);
  }
}

@Injectable()
class MethodGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    return !wants(context.switchToHttp().getRequest(), 'method-refuses');
  }
}

const ran: string[] = [];

/** What is thrown, but is not an error; to Express most of it means that the next route should answer. */
const ODD = new Map([undefined, null, 0, 'route', 'router', 'text'].map((thrown) => [`throw ${thrown}`, { thrown }]));

@UseGuards(ClassGuard)
@WebSocketGateway({ path: '/ws' })
class Gateway implements OnHandshake, OnOpen, OnMessage {
  @UseGuards(MethodGuard)
  onHandshake(request: HandshakeRequest) {
    ran.push('onHandshake');
    if (wants(request as never, 'hook-refuses')) throw new ForbiddenException('Not today');
    if (wants(request as never, 'hook-fails')) throw new Error('secret detail');
    const odd = ODD.get(String(request.headers['x-want']));
    if (odd) throw odd.thrown;
    return { userId: 'ann', rooms: ['lobby'], data: { role: 'admin' } };
  }
  onOpen(connection: Connection, request: HandshakeRequest) {
    ran.push('onOpen');
    connection.emit('opened', {
      userId: connection.userId,
      rooms: [...connection.rooms],
      data: connection.data,
      seen: (request.raw as { seen?: string }).seen ?? (request.raw as { raw?: { seen?: string } }).raw?.seen,
    });
  }
  onMessage() {}
}

@Controller()
class Same {
  @UseGuards(ClassGuard, MethodGuard)
  @Get('same')
  same() {
    return 'ok';
  }

  @Get('same-hook')
  hook() {
    throw new ForbiddenException('Not today');
  }
}

interface Req {
  headers: Record<string, string>;
  seen?: string;
}
interface Res {
  statusCode: number;
  setHeader(name: string, value: string | string[]): void;
  end(body?: string): void;
}

@Module({
  controllers: [Same],
  providers: [Gateway, { provide: APP_GUARD, useClass: GlobalGuard }],
})
class AppModule {
  configure(consumer: MiddlewareConsumer) {
    consumer
      .apply((request: Req, response: Res, next: (error?: unknown) => void) => {
        request.seen = 'by middleware';
        response.setHeader('X-Seen', 'yes');
        response.setHeader('Set-Cookie', ['a=1', 'b=2']);
        const want = request.headers['x-want'];
        if (want === 'middleware-401') {
          response.statusCode = 401;
          response.end('who are you?');
        } else if (want === 'middleware-302') {
          response.statusCode = 302;
          response.setHeader('Location', '/login');
          response.end();
        } else if (want === 'middleware-throws') throw new ForbiddenException({ why: 'thrown' });
        else if (want !== 'middleware-hangs') next();
      })
      .forRoutes('ws', 'same', 'same-hook');
  }
}

describe.each(PLATFORMS)('The handshake on $platform', ({ adapter }) => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp(adapter(), { imports: [AppModule] });
  });
  afterAll(() => app.close());
  beforeEach(() => ran.splice(0));

  const refusal = (want: string): Promise<Refusal> => refusalOf(app.connect('/ws', { headers: { 'x-want': want } }));

  it.each([
    ['middleware-401', '/same'],
    ['middleware-302', '/same'],
    ['middleware-throws', '/same'],
    ['global-refuses', '/same'],
    ['global-throws', '/same'],
    ['class-refuses', '/same'],
    ['method-refuses', '/same'],
    ['hook-refuses', '/same-hook'],
  ])('refuses an upgrade that asks for %s with the answer of the controller at %s', async (want, path) => {
    const route = await fetch(app.url + path, { headers: { 'x-want': want }, redirect: 'manual' });
    const refused = await refusal(want);
    expect(refused.status).toBe(route.status);
    expect(refused.body).toBe(await route.text());
    for (const name of ['content-type', 'location', 'x-seen', 'x-guard', 'content-length', 'etag']) {
      expect([name, refused.headers[name] ?? null]).toEqual([name, route.headers.get(name)]);
    }
    expect(refused.headers['set-cookie']).toEqual(route.headers.getSetCookie());
    expect(refused.headers.connection).toBe('close');
    expect(ran.filter((hook) => hook === 'onOpen')).toEqual([]);
    const plain = await fetch(`${app.url}/ws`, { headers: { 'x-want': want }, redirect: 'manual' });
    expect(plain.status).toBe(route.status);
  });

  it('answers an unexpected error in onHandshake with 500 and hides its message', async () => {
    const refused = await refusal('hook-fails');
    expect(refused.status).toBe(500);
    expect(refused.body).not.toContain('secret');
  });

  it.each([...ODD.keys()])('answers 500 where onHandshake does %s', async (want) => {
    expect((await refusal(want)).status).toBe(500);
    const headers = { 'x-want': want, accept: 'text/event-stream' };
    expect((await fetch(`${app.url}/ws`, { headers })).status).toBe(500);
  });

  it('answers 503 at the handshake timeout when middleware hangs', async () => {
    const impatient = await startApp(adapter(), { imports: [AppModule], options: { handshakeTimeout: 0.1 } });
    const refused = await refusalOf(impatient.connect('/ws', { headers: { 'x-want': 'middleware-hangs' } }));
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('5');
    expect((await impatient.server.stats()).current).toBe(0);
    await impatient.close();
  });

  it('admits a client with the identity from onHandshake and with what middleware left on the request', async () => {
    const client = await app.connect('/ws');
    expect(await client.next('opened')).toEqual({
      userId: 'ann',
      rooms: ['lobby'],
      data: { role: 'admin' },
      seen: 'by middleware',
    });
    expect(ran).toEqual(['onHandshake', 'onOpen']);
    await client.close();
  });

  it('answers a plain GET with 426 when an upgrade would be admitted', async () => {
    const plain = await fetch(`${app.url}/ws`);
    expect(plain.status).toBe(426);
    expect(plain.headers.get('upgrade')).toBe('websocket');
    expect(ran).toEqual(['onHandshake']);
  });
});
