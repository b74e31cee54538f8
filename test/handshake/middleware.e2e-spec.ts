/** The HTTP application in front of the hooks: middleware, Fastify's hooks and plugins, guards, filters, and their order. */
import { createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import fastifyCompress from '@fastify/compress';
import fastifyCookie from '@fastify/cookie';
import fastifyHelmet from '@fastify/helmet';
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpException,
  type INestApplication,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestMiddleware,
  RequestMethod,
  Scope,
  UseGuards,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, REQUEST } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { WebSocketGateway } from '@nestjs/websockets';
import compression from 'compression';
import cookieParser from 'cookie-parser';
import helmet from 'helmet';
import type { Connection, HandshakeRequest } from 'nestjs-realtime';
import type { TestApp } from 'nestjs-realtime/testing';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { type AppParts, portOf, refusalOf, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { httpRequest, RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';

type Next = (error?: unknown) => void;
type Headers = Readonly<Record<string, string>>;
interface Req {
  headers: Record<string, string | undefined>;
  params: Record<string, string>;
}
interface Res {
  statusCode: number;
  headersSent: boolean;
  setHeader(name: string, value: string): void;
  writeHead(status: number, headers: object): void;
  write(text: string): void;
  end(body?: string | Buffer): void;
}
interface FastifyApp {
  register(plugin: unknown, options?: object): Promise<void>;
  addHook(name: string, hook: (request: Req, reply: FastifyReply) => unknown): void;
}
interface FastifyReply {
  code(status: number): FastifyReply;
  header(name: string, value: string): FastifyReply;
  send(body: unknown): FastifyReply;
}

/** Hooks and guards that ran, in order. */
const ran: string[] = [];

@WebSocketGateway({ path: '/ws' })
class Gateway {
  onHandshake() {
    ran.push('onHandshake');
  }
  onOpen(connection: Connection, request: HandshakeRequest) {
    ran.push('onOpen');
    connection.emit('opened', { cookies: request.cookies, user: request.user, userId: connection.userId });
  }
}

@Controller()
class Same {
  @Get('same')
  same() {
    return 'ok';
  }
}

const fastifyOf = (nest: INestApplication) => nest.getHttpAdapter().getInstance() as FastifyApp;
const isFastify = (nest: INestApplication) => nest.getHttpAdapter().getType() === 'fastify';

describe.each(PLATFORMS)('The HTTP application on $platform', ({ platform, adapter }) => {
  let app: TestApp;
  /** Outlives its tests; whoever starts it also closes it. */
  let shared: TestApp | undefined;

  const start = async (parts: AppParts = {}) => {
    app = await startApp(adapter(), {
      controllers: [Same],
      ...parts,
      providers: [Gateway, ...(parts.providers ?? [])],
    });
  };
  beforeEach(() => ran.splice(0));
  afterEach(() => (app === shared ? undefined : app.close()));

  /** @returns all bytes of an answer but the date, which may differ */
  async function bytesOf(request: Buffer): Promise<string> {
    const raw = await RawSocket.connect(portOf(app));
    raw.send(request);
    return (await raw.ended()).toString('latin1').replace(/\r\nDate: [^\r]+/i, '');
  }

  /** Expects an upgrade to be refused with the bytes that a GET on a controller's route gets. @returns them */
  async function expectSameBytes(headers: Headers = {}, path = '/same'): Promise<string> {
    const answer = await bytesOf(upgradeRequest({ headers }));
    expect(answer).toBe(await bytesOf(httpRequest({ target: path, headers: { Connection: 'close', ...headers } })));
    expect(ran).not.toContain('onOpen');
    return answer;
  }

  /** @returns the headers of the 101 */
  async function headersOf101(headers: Headers = {}, target = '/ws'): Promise<Record<string, string>> {
    const raw = await RawSocket.connect(portOf(app));
    raw.send(upgradeRequest({ target, headers }));
    const answer = await raw.answer();
    raw.destroy();
    expect(answer.status).toBe(101);
    return answer.headers;
  }

  const routeHeaders = async (headers: Headers = {}) =>
    Object.fromEntries((await fetch(`${app.url}/same`, { headers })).headers);

  describe('response headers of middleware', () => {
    it('sends the headers of helmet with the 101', async () => {
      await start({
        configure: async (nest) => {
          if (isFastify(nest)) await fastifyOf(nest).register(fastifyHelmet);
          else nest.use(helmet());
        },
      });
      const [route, upgrade] = [await routeHeaders(), await headersOf101()];
      for (const name of ['content-security-policy', 'strict-transport-security', 'x-content-type-options']) {
        expect(route[name]).toBeDefined();
        expect([name, upgrade[name]]).toEqual([name, route[name]]);
      }
    });

    it('sends the headers of CORS with the 101', async () => {
      const origin = 'https://app.example.com';
      await start({
        options: { allowedOrigins: [origin] },
        configure: (nest) => nest.enableCors({ origin, credentials: true }),
      });
      const [route, upgrade] = [await routeHeaders({ Origin: origin }), await headersOf101({ Origin: origin })];
      expect(upgrade['access-control-allow-origin']).toBe(origin);
      for (const name of ['access-control-allow-origin', 'access-control-allow-credentials', 'vary']) {
        expect([name, upgrade[name]]).toEqual([name, route[name]]);
      }
    });

    it('leaves out of the 101 the headers that describe a body or the connection', async () => {
      await start({
        configure: (nest) => {
          nest.use((_request: Req, response: Res, next: Next) => {
            const headers = { 'Content-Type': 'text/html', 'Content-Length': '5', ETag: '"a"', Upgrade: 'h2c' };
            const others = { 'Keep-Alive': 'timeout=5', 'Sec-WebSocket-Protocol': 'made-up', 'X-Kept': 'yes' };
            for (const [name, value] of Object.entries({ ...headers, ...others })) response.setHeader(name, value);
            next();
          });
        },
      });
      const headers = await headersOf101();
      expect(Object.keys(headers).filter((name) => !name.startsWith('x-'))).toEqual([
        'upgrade',
        'connection',
        'sec-websocket-accept',
      ]);
      expect(headers).toMatchObject({ upgrade: 'websocket', connection: 'Upgrade', 'x-kept': 'yes' });
    });

    it('gives the hooks the cookies that middleware has parsed', async () => {
      await start({
        configure: async (nest) => {
          if (isFastify(nest)) await fastifyOf(nest).register(fastifyCookie);
          else nest.use(cookieParser());
        },
      });
      const client = await app.connect('/ws', { headers: { cookie: 'plain=a%20b; other=1' } });
      expect(await client.next('opened')).toMatchObject({ cookies: { plain: 'a b', other: '1' } });
    });
  });

  describe('a response that middleware ends', () => {
    const answers: Record<string, (response: Res, next: Next) => unknown> = {
      'ends with text': (response) => {
        response.statusCode = 401;
        response.setHeader('WWW-Authenticate', 'Bearer');
        response.end('who are you?');
      },
      'ends with a redirect': (response) => {
        response.writeHead(302, { Location: '/login', 'Set-Cookie': ['a=1', 'b=2'] });
        response.end();
      },
      'ends with a stream': (response) => {
        response.statusCode = 403;
        Readable.from(['one', 'two', 'three'].map((word) => word.repeat(50_000))).pipe(response as never);
      },
      'ends without a body': (response) => {
        response.statusCode = 204;
        response.end();
      },
      'ends with 304': (response) => {
        response.statusCode = 304;
        response.end();
      },
      'throws an exception': () => {
        throw new ForbiddenException({ why: 'thrown' });
      },
      'returns a promise that rejects': async () => {
        await Promise.resolve();
        throw new ForbiddenException({ why: 'rejected' });
      },
      'passes an exception to next()': (_response, next) => next(new ForbiddenException({ why: 'passed on' })),
      'throws an unexpected error': () => {
        throw new Error('secret detail');
      },
    };
    const refuse = (request: Req, response: Res, next: Next) => {
      const answer = answers[request.headers['x-want'] ?? ''];
      return answer ? answer(response, next) : next();
    };

    @Injectable()
    class Refuse implements NestMiddleware {
      use(request: Req, response: Res, next: Next) {
        return refuse(request, response, next);
      }
    }
    @Module({ providers: [Refuse] })
    class Feature {
      configure(consumer: MiddlewareConsumer) {
        consumer.apply(Refuse).forRoutes('ws', 'same');
      }
    }
    const places: [string, AppParts][] = [
      ['app.use() in main.ts', { configure: (nest) => void nest.use(refuse) }],
      ['consumer.apply() in a feature module', { imports: [Feature] }],
    ];

    describe.each(places)('in %s', (place, parts) => {
      beforeAll(async () => {
        await start(parts);
        shared = app;
      });
      beforeEach(() => {
        app = shared!;
      });
      afterAll(async () => {
        await shared!.close();
        shared = undefined;
      });

      it.each(Object.keys(answers))(
        `refuses with the bytes of a route when middleware from ${place} %s`,
        async (want) => {
          const answer = await expectSameBytes({ 'X-Want': want });
          expect(answer).toMatch(/^HTTP\/1\.1 [2345]\d\d /);
          expect(answer).not.toContain('secret');
          expect(await app.server.stats()).toMatchObject({ accepted: 0, current: 0 });
        },
      );

      it(`admits an upgrade that middleware from ${place} lets pass`, async () => {
        await (await app.connect('/ws')).next('opened');
        expect(ran).toEqual(['onHandshake', 'onOpen']);
      });
    });

    it('refuses with the compressed bytes of a route when middleware compresses', async () => {
      const body = JSON.stringify({ long: 'x'.repeat(10_000) });
      await start({
        configure: async (nest) => {
          if (isFastify(nest)) await fastifyOf(nest).register(fastifyCompress, { threshold: 0, encodings: ['gzip'] });
          else nest.use(compression({ threshold: 0 }));
        },
        providers: [
          {
            provide: APP_GUARD,
            useValue: {
              canActivate() {
                throw new HttpException(body, 403);
              },
            },
          },
        ],
      });
      const answer = await expectSameBytes({ 'Accept-Encoding': 'gzip' });
      expect(answer).toMatch(/content-encoding: gzip/i);
      expect(answer.length).toBeLessThan(1000);
      const refused = await refusalOf(app.connect('/ws'));
      expect(JSON.parse(refused.body)).toMatchObject({ message: body });
    });

    it('refuses an upgrade when middleware answers it and lets it pass', async () => {
      await start({
        configure: (nest) => {
          nest.use((request: Req, response: Res, next: Next) => {
            if (request.headers['x-want'] !== 'both') return next();
            response.statusCode = 401;
            response.end('no, but go on');
            next();
          });
        },
      });
      expect(await refusalOf(app.connect('/ws', { headers: { 'x-want': 'both' } }))).toMatchObject({
        status: 401,
        body: 'no, but go on',
      });
      expect(ran).not.toContain('onOpen');
      expect(await app.server.stats()).toMatchObject({ accepted: 0, current: 0 });
    });
  });

  it('admits an upgrade that announces an empty body', async () => {
    await start();
    await headersOf101({ 'Content-Length': '0', 'Content-Type': 'application/json' });
  });

  describe('the place of gateways, behind all middleware and before all routes', () => {
    @Injectable()
    class Authenticate implements NestMiddleware {
      use({ headers }: Req, response: Res, next: Next) {
        if (headers['x-key'] === 'right') return next();
        response.statusCode = 401;
        response.end('not without a key');
      }
    }
    const authenticating = (...routes: string[]) => {
      @Module({ providers: [Authenticate] })
      class Feature {
        configure(consumer: MiddlewareConsumer) {
          consumer.apply(Authenticate).forRoutes(...routes);
        }
      }
      return Feature;
    };
    @Controller()
    class CatchAll {
      @Get(platform === 'express' ? '*splat' : '*')
      all() {
        return 'a page';
      }
    }

    async function expectBehindMiddleware(path: string) {
      expect(await refusalOf(app.connect(path))).toMatchObject({ status: 401, body: 'not without a key' });
      expect(ran).toEqual([]);
      const client = await app.connect(path, { headers: { 'x-key': 'right' } });
      await client.next('opened');
      expect(ran).toEqual(['onHandshake', 'onOpen']);
    }

    it('runs middleware before the gateway beside a controller that catches all paths', async () => {
      await start({ imports: [authenticating('ws')], controllers: [CatchAll] });
      await expectBehindMiddleware('/ws');
      expect(await (await fetch(`${app.url}/anything`)).text()).toBe('a page');
    });

    it('runs middleware of all routes before the gateway', async () => {
      await start({ imports: [authenticating('{*splat}')] });
      await expectBehindMiddleware('/ws');
    });

    it('runs middleware before the gateway under a global prefix', async () => {
      await start({ imports: [authenticating('ws')], configure: (nest) => void nest.setGlobalPrefix('api') });
      await expectBehindMiddleware('/api/ws');
      expect(await refusalOf(app.connect('/ws'))).toMatchObject({ status: 404 });
    });

    it('runs middleware before a gateway that the global prefix excludes', async () => {
      await start({
        imports: [authenticating('ws')],
        configure: (nest) => {
          nest.setGlobalPrefix('api', { exclude: [{ path: 'ws', method: RequestMethod.GET }] });
        },
      });
      await expectBehindMiddleware('/ws');
      expect(await refusalOf(app.connect('/api/ws'))).toMatchObject({ status: 404 });
    });

    it('runs middleware of main.ts before the gateway under a global prefix', async () => {
      await start({
        configure: (nest) => {
          nest.setGlobalPrefix('api');
          nest.use((request: Req, response: Res, next: Next) => new Authenticate().use(request, response, next));
        },
      });
      await expectBehindMiddleware('/api/ws');
    });

    it('runs middleware before the gateway beside a route that was added before app.init()', async () => {
      await start({
        imports: [authenticating('ws')],
        configure: (nest) => {
          nest.getHttpAdapter().get('/early', (_request: unknown, response: { send(text: string): void }) => {
            response.send('early');
          });
        },
      });
      await expectBehindMiddleware('/ws');
      expect(await (await fetch(`${app.url}/early`)).text()).toBe('early');
    });

    it('runs middleware of several modules before the gateway', async () => {
      const others = Array.from({ length: 5 }, () => {
        @Module({})
        class Other {
          configure(consumer: MiddlewareConsumer) {
            consumer.apply((_request: Req, _response: Res, next: Next) => next()).forRoutes('{*splat}');
          }
        }
        return Other;
      });
      await start({ imports: [...others, authenticating('ws')], controllers: [CatchAll] });
      await expectBehindMiddleware('/ws');
    });

    it('fails at boot when a gateway and a controller answer the same path', async () => {
      @Controller()
      class Page {
        @Get('ws')
        page() {
          return 'a page';
        }
      }
      const boot = startApp(adapter(), { controllers: [Page], providers: [Gateway] });
      await expect(boot).rejects.toThrow('A gateway and a controller both answer /ws');
      await start();
      expect((await fetch(`${app.url}/ws`)).status).toBe(426);
    });
  });

  describe('guards', () => {
    const SECRET = 'the secret of the tests';
    function sign(payload: object): string {
      const parts = [{ alg: 'HS256', typ: 'JWT' }, payload].map((part) => Buffer.from(JSON.stringify(part)));
      const text = parts.map((part) => part.toString('base64url')).join('.');
      return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
    }

    it('refuses with the answer of a route when a passport guard does, and takes its user', async () => {
      @Injectable()
      class JwtStrategy extends PassportStrategy(Strategy) {
        constructor() {
          super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: SECRET });
        }
        validate(payload: object) {
          return payload;
        }
      }
      const Guarded = guardedRoute(AuthGuard('jwt'));
      await start({
        imports: [PassportModule],
        controllers: [Guarded],
        providers: [JwtStrategy, { provide: APP_GUARD, useClass: AuthGuard('jwt') }],
      });
      for (const headers of [{}, { Authorization: 'Bearer wrong' }] as Headers[]) {
        expect(await expectSameBytes(headers, '/guarded')).toMatch(/^HTTP\/1\.1 401 /);
      }
      expect(ran).toEqual([]);
      const headers = { Authorization: `Bearer ${sign({ sub: 42 })}` };
      const opened = await (await app.connect('/ws', { headers })).next('opened');
      expect(opened).toMatchObject({ user: { sub: 42 }, userId: '42' });
    });

    const refusing: CanActivate = {
      canActivate(context) {
        ran.push(`guard in ${context.getType()}`);
        throw new ForbiddenException('Members only');
      },
    };

    it.each<[string, AppParts]>([
      ['APP_GUARD', { providers: [{ provide: APP_GUARD, useValue: refusing }] }],
      ['app.useGlobalGuards()', { configure: (nest) => void nest.useGlobalGuards(refusing) }],
    ])(
      'refuses with the answer of a route when a guard from %s does, once, in the http context',
      async (_from, parts) => {
        await start(parts);
        expect(await expectSameBytes()).toMatch(/^HTTP\/1\.1 403 [\s\S]*Members only/);
        expect(ran).toEqual(['guard in http', 'guard in http']);
      },
    );

    it('gives guards the path parameters where a route has them', async () => {
      @WebSocketGateway({ path: ['/rooms/:id', '/bare/:id'] } as never)
      class Rooms extends Gateway {}
      @WebSocketGateway({ path: '/bare-rooms/:id', middleware: false } as object)
      class BareRooms extends Gateway {}
      const guard: CanActivate = {
        canActivate: (context) => context.switchToHttp().getRequest<Req>().params['id'] === 'a b',
      };
      await start({ providers: [Rooms, BareRooms, { provide: APP_GUARD, useValue: guard }] });
      for (const path of ['/rooms', '/bare', '/bare-rooms']) {
        expect(await refusalOf(app.connect(`${path}/c`))).toMatchObject({ status: 403 });
        await (await app.connect(`${path}/a%20b`)).next('opened');
      }
    });

    it('refuses with the headers that a guard set and the exception that it threw', async () => {
      const guard: CanActivate = {
        canActivate(context) {
          context.switchToHttp().getResponse().header('X-Reason', 'teapot');
          throw new HttpException('I am a teapot', 418);
        },
      };
      await start({ providers: [{ provide: APP_GUARD, useValue: guard }] });
      expect(await expectSameBytes()).toMatch(/^HTTP\/1\.1 418 [\s\S]*x-reason: teapot/i);
    });

    it.each([true, false])('refuses an upgrade that a guard answers itself, returning %s', async (verdict) => {
      const guard: CanActivate = {
        canActivate(context) {
          context.switchToHttp().getResponse().status(402).send('pay first');
          return verdict;
        },
      };
      await start({ providers: [{ provide: APP_GUARD, useValue: guard }] });
      expect(await refusalOf(app.connect('/ws'))).toMatchObject({ status: 402, body: 'pay first' });
      expect(ran).not.toContain('onOpen');
      expect(await app.server.stats()).toMatchObject({ accepted: 0, refused: 1, current: 0 });
    });

    it.each([
      ['declares it', Injectable({ scope: Scope.REQUEST }), []],
      ['injects the request', Injectable(), [REQUEST]],
    ] as const)(
      'fails at boot for a global guard that is request-scoped because it %s',
      async (_how, decorate, inject) => {
        class Scoped {
          constructor(readonly request?: object) {}
          canActivate() {
            return false;
          }
        }
        for (const [index, token] of inject.entries()) Inject(token)(Scoped, undefined, index);
        decorate(Scoped);
        const boot = startApp(adapter(), { providers: [Gateway, { provide: APP_GUARD, useClass: Scoped }] });
        await expect(boot).rejects.toThrow(/guard is request-scoped|depends on a request-scoped/);
        await start();
      },
    );

    function guardedRoute(guard: Parameters<typeof UseGuards>[0]) {
      @Controller()
      class Guarded {
        @UseGuards(guard)
        @Get('guarded')
        guarded() {
          return 'ok';
        }
      }
      return Guarded;
    }
  });

  describe('exception filters', () => {
    interface AnyResponse {
      status(code: number): AnyResponse;
      send(body: string): void;
    }
    const impatient = { options: { handshakeTimeout: 0.25 } };
    const refuseAll = { provide: APP_GUARD, useValue: { canActivate: () => false } };
    const filters: Record<string, (response: AnyResponse) => unknown> = {
      'answers 200': (response) => response.status(200).send('all is well'),
      'answers 503 of its own': (response) => response.status(503).send('later'),
      'answers 101': (response) => response.status(101).send(''),
      'answers nothing': () => {},
      throws: () => {
        throw new Error('the filter is broken');
      },
    };
    const filterOf = (answer: (response: AnyResponse) => unknown) => {
      @Catch()
      class CatchAllFilter implements ExceptionFilter {
        catch(_error: unknown, host: ArgumentsHost) {
          ran.push('filter');
          return answer(host.switchToHttp().getResponse<AnyResponse>());
        }
      }
      return new CatchAllFilter();
    };

    it.each(Object.keys(filters))('admits no refused client when an exception filter %s', async (what) => {
      await start({
        ...impatient,
        providers: [refuseAll, { provide: APP_FILTER, useValue: filterOf(filters[what]!) }],
      });
      await refusalOf(app.connect('/ws', { timeoutMs: 2000 }));
      expect(ran).toEqual(['filter']);
      expect(await app.server.stats()).toMatchObject({ accepted: 0, current: 0 });
    });

    it('renders a refusal by an exception filter, as on a route', async () => {
      await start({
        providers: [refuseAll],
        configure: (nest) => void nest.useGlobalFilters(filterOf(filters['answers 200']!)),
      });
      expect(await expectSameBytes()).toMatch(/^HTTP\/1\.1 200 [\s\S]*all is well/);
    });

    it('answers 503 at the handshake timeout when an exception filter answers nothing', async () => {
      await start({ ...impatient, providers: [refuseAll, { provide: APP_FILTER, useValue: filterOf(() => {}) }] });
      const refused = await refusalOf(app.connect('/ws'));
      expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '5', connection: 'close' } });
    });
  });

  describe('a gateway with middleware: false', () => {
    @Injectable()
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext) {
        ran.push('guard');
        const [request, response] = [context.switchToHttp().getRequest(), context.switchToHttp().getResponse()];
        response.header('X-Guard', 'ran');
        if (request.headers['x-want'] === 'refusal') throw new ForbiddenException('Members only');
        return request.query.who !== 'nobody' && request.ip === '127.0.0.1';
      }
    }
    @UseGuards(Guard)
    @WebSocketGateway({ path: '/bare', middleware: false } as object)
    class Bare extends Gateway {}

    const middleware = (_request: Req, response: Res, next: Next) => {
      ran.push('middleware');
      response.setHeader('X-Middleware', 'ran');
      next();
    };

    it('skips the middleware but runs guards and onHandshake with middleware: false', async () => {
      await start({ providers: [Bare], configure: (nest) => void nest.use(middleware) });
      const headers = await headersOf101({}, '/bare?who=somebody');
      expect(ran.slice(0, 2)).toEqual(['guard', 'onHandshake']);
      expect([headers['x-guard'], headers['x-middleware']]).toEqual(['ran', undefined]);
    });

    it('refuses with the answer of a guard with middleware: false', async () => {
      await start({ providers: [Bare] });
      const refused = await refusalOf(app.connect('/bare', { headers: { 'x-want': 'refusal' } }));
      expect(refused).toMatchObject({ status: 403, headers: { 'x-guard': 'ran', connection: 'close' } });
      expect(JSON.parse(refused.body)).toEqual({ message: 'Members only', error: 'Forbidden', statusCode: 403 });
      expect(await refusalOf(app.connect('/bare?who=nobody'))).toMatchObject({ status: 403 });
      expect(ran).toEqual(['guard', 'guard']);
    });

    it.each([true, false])(
      'refuses an upgrade that a guard answers itself, returning %s, with middleware: false',
      async (verdict) => {
        const guard: CanActivate = {
          canActivate(context) {
            const response = context.switchToHttp().getResponse();
            const node = (response.raw ?? response) as Res;
            node.statusCode = 402;
            node.end('pay first');
            return verdict;
          },
        };
        await start({ providers: [Bare, { provide: APP_GUARD, useValue: guard }] });
        expect(await refusalOf(app.connect('/bare'))).toMatchObject({ status: 402, body: 'pay first' });
        expect(await app.server.stats()).toMatchObject({ accepted: 0, refused: 1, current: 0 });
      },
    );
  });

  if (platform === 'fastify') fastifyHooks();

  function fastifyHooks() {
    describe('hooks of Fastify', () => {
      const hooked = (name: string, hook: (request: Req, reply: FastifyReply) => unknown): AppParts => ({
        configure: (nest) => fastifyOf(nest).addHook(name, hook),
      });
      const wants = ({ headers }: Req) => headers['x-want'] === 'no';

      it.each(['onRequest', 'preParsing', 'preValidation', 'preHandler'])(
        'runs the Fastify hook %s, which can refuse',
        async (name) => {
          const hook = async (request: Req, reply: FastifyReply) => {
            ran.push(name);
            reply.header('X-Hook', name);
            if (wants(request)) return reply.code(401).send({ by: name });
            return undefined;
          };
          await start(hooked(name, hook));
          expect(await expectSameBytes({ 'X-Want': 'no' })).toMatch(/^HTTP\/1\.1 401 /);
          expect(await headersOf101()).toMatchObject({ 'x-hook': name });
        },
      );

      it('runs the Fastify hook onSend for the 101', async () => {
        await start(hooked('onSend', async (_request, reply) => void reply.header('X-Hook', 'onSend')));
        expect(await headersOf101()).toMatchObject({ 'x-hook': 'onSend' });
      });

      it('refuses with the bytes of a route when the Fastify hook onSend fails', async () => {
        const fail = async (request: Req) => {
          if (wants(request)) throw new ForbiddenException('not to be sent');
        };
        await start(hooked('onSend', fail));
        expect(await expectSameBytes({ 'X-Want': 'no' })).toMatch(/^HTTP\/1\.1 403 /);
        expect(await app.server.stats()).toMatchObject({ accepted: 0, refused: 1, current: 0 });
        await (await app.connect('/ws')).next('opened');
      });

      it('runs the Fastify hook onResponse for an admitted upgrade', async () => {
        const responded = new Promise<void>((resolve) => {
          void start(hooked('onResponse', async () => resolve())).then(() => app.connect('/ws'));
        });
        await responded;
      });
    });
  }
});
