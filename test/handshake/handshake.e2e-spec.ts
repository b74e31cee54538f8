/** The matrix {Express, Fastify} × {middleware ends, guard refuses, onHandshake refuses, admitted}: as the HTTP route. */
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
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  type Connection,
  type HandshakeRequest,
  type OnHandshake,
  type OnMessage,
  type OnOpen,
  RealtimeModule,
} from 'nestjs-realtime';
import { createTestApp, type Refusal, type TestApp } from 'nestjs-realtime/testing';
import { PLATFORMS } from '../support/platforms.js';

/** What a request asks for with the header `x-want`, at the place of the same name. */
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

@UseGuards(ClassGuard)
@WebSocketGateway({ path: '/ws' })
class Gateway implements OnHandshake, OnOpen, OnMessage {
  @UseGuards(MethodGuard)
  onHandshake(request: HandshakeRequest) {
    ran.push('onHandshake');
    if (wants(request as never, 'hook-refuses')) throw new ForbiddenException('Not today');
    if (wants(request as never, 'hook-fails')) throw new Error('secret detail');
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
  imports: [RealtimeModule.forRoot({ envFile: false, handshakeTimeout: 1 })],
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
    app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile(), {
      adapter: adapter(),
    });
  });
  afterAll(() => app.close());
  beforeEach(() => ran.splice(0));

  const refusal = async (want: string): Promise<Refusal> =>
    app.connect('/ws', { headers: { 'x-want': want } }).then(
      () => {
        throw new Error('was admitted');
      },
      (error: Refusal) => error,
    );

  it.each([
    ['middleware-401', '/same'],
    ['middleware-302', '/same'],
    ['middleware-throws', '/same'],
    ['global-refuses', '/same'],
    ['global-throws', '/same'],
    ['class-refuses', '/same'],
    ['method-refuses', '/same'],
    ['hook-refuses', '/same-hook'],
  ])('answers %s as the controller at %s does', async (want, path) => {
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

  it('hides what an unexpected error says', async () => {
    const refused = await refusal('hook-fails');
    expect(refused.status).toBe(500);
    expect(refused.body).not.toContain('secret');
  });

  it('answers 503 when middleware hangs', async () => {
    const refused = await refusal('middleware-hangs');
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('5');
    expect((await app.server.stats()).current).toBe(0);
  });

  it('admits with what middleware set beside the 101', async () => {
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

  it('answers a plain GET with 426 when it would be admitted', async () => {
    const plain = await fetch(`${app.url}/ws`);
    expect(plain.status).toBe(426);
    expect(plain.headers.get('upgrade')).toBe('websocket');
    expect(ran).toEqual(['onHandshake']);
  });
});
