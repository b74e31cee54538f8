/** Guards, interceptors, filters and pipes around hooks and message methods: which run where, in which context. */
import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  type CanActivate,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  InternalServerErrorException,
  type INestApplication,
  Injectable,
  type LoggerService,
  type ModuleMetadata,
  type NestInterceptor,
  NotFoundException,
  type PipeTransform,
  ServiceUnavailableException,
  SetMetadata,
  type Type,
  UnauthorizedException,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost, Reflector } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { Type as TypeOf } from 'class-transformer';
import { IsInt, IsString, ValidateNested, validateOrReject } from 'class-validator';
import {
  Connection,
  HandshakeError,
  HandshakeRequest,
  Message,
  MessageError,
  OptionsError,
  RealtimeModule,
} from 'nestjs-realtime';
import type { RealtimeGatewayOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { map, Observable, of, tap, throwError } from 'rxjs';
import { z } from 'zod';
import { ask } from '../support/apps/both-adapters.js';
import { Marker } from '../support/apps/classic-gateways.js';
import {
  bootMatrix,
  type Kind,
  type Level,
  live,
  type Place,
  PLACES,
  seen,
  type Setup,
} from '../support/apps/enhancer-matrix.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';

let app: TestApp | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

interface BootOptions {
  readonly configure?: (app: INestApplication) => void;
  readonly logger?: LoggerService;
  readonly adapter?: ReturnType<(typeof PLATFORMS)[number]['adapter']>;
}

async function boot(providers: ModuleMetadata['providers'], options: BootOptions = {}): Promise<TestApp> {
  const imports = [RealtimeModule.forRoot({ envFile: false })];
  app = await createTestApp(await Test.createTestingModule({ imports, providers }).compile(), options);
  return app;
}

@Injectable()
class Refusing implements CanActivate {
  canActivate(context: ExecutionContext) {
    if (context.switchToWs().getData() === 'throw') throw new UnauthorizedException('Log in first');
    return false;
  }
}

class Doubling implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler<{ data: number }>): Observable<unknown> {
    return next.handle().pipe(map((reply) => reply && { ...reply, data: reply.data * 2 }));
  }
}

function drainUnder(enhance: MethodDecorator): Type {
  @WebSocketGateway({ path: '/drain' })
  class Draining {
    @enhance
    onDrain() {}
  }
  return Draining;
}

function authenticateUnder(enhance: MethodDecorator): Type {
  @WebSocketGateway({ path: '/authenticate' })
  class Authenticating {
    @enhance
    onAuthenticate() {}
  }
  return Authenticating;
}

const NOWHERE: readonly string[] = [];
const EVERY_LEVEL: readonly Level[] = ['class', 'APP_*', 'useGlobal*'];
const GLOBAL_LEVELS: readonly Level[] = ['APP_*', 'useGlobal*'];

/** What an enhancer reports of its context, by place. */
const AT: Readonly<Record<Place, string>> = {
  onHandshake: 'http GET /matrix',
  onOpen: 'ws onOpen (Connection, HandshakeRequest)',
  onMessage: 'ws onMessage (Connection, Message)',
  method: 'ws event (Connection, Object)',
  onClose: 'ws onClose (Connection, CloseInfo)',
};

const reports = (kind: Kind, ...places: Place[]) =>
  places.map((place) => `${kind} ${AT[place]}${kind === 'filter' ? '' : ` Gateway.${place}`}`);

describe('The matrix of enhancers', () => {
  describe('Guards of a gateway with hooks', () => {
    it.each<[string, Level, readonly Place[], Setup['guards']]>([
      ...EVERY_LEVEL.map((level) => ['by default', level, ['onHandshake'], undefined] as never),
      ...EVERY_LEVEL.map((level) => ["with guards: 'handshake'", level, ['onHandshake'], 'handshake'] as never),
      ...EVERY_LEVEL.map((level) => ["with guards: 'message'", level, ['onMessage', 'method'], 'message'] as never),
      ...EVERY_LEVEL.map(
        (level) => ["with guards: 'both'", level, ['onHandshake', 'onMessage', 'method'], 'both'] as never,
      ),
    ])('runs the guards of a gateway with hooks %s, from the level %s, at %j', async (_, level, places, guards) => {
      await live(await bootMatrix({ kind: 'guard', level, guards }));
      expect(seen).toEqual(reports('guard', ...places));
    });

    it.each<[Place, Setup['guards']]>([
      ['onHandshake', 'handshake'],
      ['onHandshake', 'both'],
      ['onMessage', 'handshake'],
      ['onMessage', 'message'],
      ['onMessage', 'both'],
      ['method', 'handshake'],
      ['method', 'message'],
      ['method', 'both'],
    ])("runs a guard on %s itself, with guards: '%s'", async (on, guards) => {
      await live(await bootMatrix({ kind: 'guard', level: 'method', on, guards }));
      expect(seen).toEqual(reports('guard', on));
    });
  });

  describe('Guards of a gateway without hooks', () => {
    it.each<[string, Level, readonly string[], Setup['guards']]>([
      ...EVERY_LEVEL.map((level) => ['by default', level, [AT.method], undefined] as never),
      ...EVERY_LEVEL.map((level) => ["with guards: 'message'", level, [AT.method], 'message'] as never),
      ...EVERY_LEVEL.map((level) => ["with guards: 'handshake'", level, [AT.onHandshake], 'handshake'] as never),
      ...EVERY_LEVEL.map((level) => ["with guards: 'both'", level, [AT.onHandshake, AT.method], 'both'] as never),
    ])('runs the guards of a gateway without hooks %s, from the level %s, at %j', async (_, level, places, guards) => {
      await live(await bootMatrix({ kind: 'guard', level, guards, hasHooks: false }));
      const targets = places.map((place) => (place === AT.method ? 'method' : 'onHandshake'));
      expect(seen).toEqual(places.map((place, index) => `guard ${place} Methods.${targets[index]}`));
    });

    it('runs the guard of a method in the ws context', async () => {
      await live(await bootMatrix({ kind: 'guard', level: 'method', on: 'method', hasHooks: false }));
      expect(seen).toEqual([`guard ${AT.method} Methods.method`]);
    });
  });

  describe('Interceptors', () => {
    it.each(EVERY_LEVEL)(
      'runs interceptors of the level %s around methods and around every hook but onHandshake',
      async (level) => {
        const heard = await live(await bootMatrix({ kind: 'interceptor', level }));
        expect(seen).toEqual(reports('interceptor', 'onOpen', 'onMessage', 'method', 'onClose'));
        expect(heard).toEqual(['{"event":"answer","data":"Message"}', '{"event":"answer","data":{"to":"method"}}']);
      },
    );

    it.each<Place>(['onOpen', 'onMessage', 'method', 'onClose'])('runs an interceptor on %s itself', async (on) => {
      await live(await bootMatrix({ kind: 'interceptor', level: 'method', on }));
      expect(seen).toEqual(reports('interceptor', on));
    });
  });

  describe('Filters', () => {
    const frames = ['{"event":"answer","data":"Message"}', '{"event":"answer","data":{"to":"method"}}'];
    const heardWithout: Readonly<Record<Place, string[]>> = {
      onHandshake: [],
      onOpen: ['closed 1011'],
      onMessage: [frames[1]!],
      method: [frames[0]!],
      onClose: frames,
    };
    const cells = EVERY_LEVEL.flatMap((level) =>
      (['onOpen', 'onMessage', 'method', 'onClose'] as const).map((failsIn) => ({ level, failsIn })),
    );

    it.each(cells)('passes errors of $failsIn to filters of the level $level', async ({ level, failsIn }) => {
      const heard = await live(await bootMatrix({ kind: 'filter', level, failsIn }));
      expect(seen).toEqual(reports('filter', failsIn));
      expect(heard).toEqual(heardWithout[failsIn]);
    });

    it.each<Place>(['onOpen', 'onMessage', 'method', 'onClose'])(
      'passes errors of %s to a filter on it',
      async (on) => {
        const heard = await live(await bootMatrix({ kind: 'filter', level: 'method', on, failsIn: on }));
        expect(seen).toEqual(reports('filter', on));
        expect(heard).toEqual(heardWithout[on]);
      },
    );

    it.each(GLOBAL_LEVELS)(
      'renders a refusal of onHandshake by filters of the level %s, in the http context',
      async (level) => {
        const heard = await live(await bootMatrix({ kind: 'filter', level, failsIn: 'onHandshake' }));
        expect(seen).toEqual(reports('filter', 'onHandshake'));
        expect(heard).toEqual(['refused 418 {"rendered":"from onHandshake"}']);
      },
    );

    it('passes a refusal of onHandshake, which is an HTTP answer, to no filter of the class', async () => {
      const heard = await live(await bootMatrix({ kind: 'filter', level: 'class', failsIn: 'onHandshake' }));
      expect(seen).toEqual(NOWHERE);
      expect(heard).toEqual([expect.stringContaining('refused 500')]);
    });
  });

  describe('Pipes', () => {
    const body = 'pipe body Object {"to":"method"}';
    const messageBody = 'pipe body Object {"to":"onMessage"}';

    it.each(EVERY_LEVEL)('runs pipes of the level %s on the body of a method, and on nothing else', async (level) => {
      await live(await bootMatrix({ kind: 'pipe', level }));
      expect(seen).toEqual([body]);
    });

    it.each(EVERY_LEVEL)('runs pipes of the level %s on the body of onMessage where it takes one', async (level) => {
      const heard = await live(await bootMatrix({ kind: 'pipe', level, hasBody: true }));
      expect(seen).toEqual([messageBody, body]);
      expect(heard).toContain('{"event":"answer","data":"Object"}');
    });

    it.each<[Place, string]>([
      ['method', body],
      ['onMessage', messageBody],
    ])('runs a pipe on %s itself', async (on, expected) => {
      await live(await bootMatrix({ kind: 'pipe', level: 'method', on, hasBody: true }));
      expect(seen).toEqual([expected]);
    });
  });

  it.each<[Kind, Place, Partial<Setup>]>([
    ['guard', 'onOpen', {}],
    ['guard', 'onClose', {}],
    ['guard', 'onHandshake', { guards: 'message' }],
    ['interceptor', 'onHandshake', {}],
    ['filter', 'onHandshake', {}],
    ['pipe', 'onHandshake', {}],
    ['pipe', 'onOpen', {}],
    ['pipe', 'onClose', {}],
    ['pipe', 'onMessage', { hasBody: false }],
  ])('fails at boot for a %s on %s (%j), where it would never run', async (kind, on, setup) => {
    const booting = bootMatrix({ kind, level: 'method', on, ...setup });
    await expect(booting).rejects.toThrow(OptionsError);
    await expect(booting).rejects.toThrow(`Gateway.${on} has ${kind}s of its own that would never run`);
  });

  it.each<[string, string, Type]>([
    ['onDrain', 'guards', drainUnder(UseGuards(Refusing))],
    ['onDrain', 'pipes', drainUnder(UsePipes(ValidationPipe))],
    ['onAuthenticate', 'interceptors', authenticateUnder(UseInterceptors(Doubling))],
    ['onAuthenticate', 'filters', authenticateUnder(UseFilters(BaseExceptionFilter))],
  ])('fails at boot for %s with %s, which would never run', async (hook, kinds, gateway) => {
    await expect(boot([gateway])).rejects.toThrow(`.${hook} has ${kinds} of its own that would never run`);
  });

  it('covers every place that an enhancer can stand at', () => {
    expect(Object.keys(AT)).toEqual(PLACES);
  });
});

const frame = (data: object) => ({ event: 'exception', data });

describe('The exception frame of an error', () => {
  const thrown: Readonly<Record<string, () => unknown>> = {
    'a WsException with text': () => new WsException('told'),
    'a WsException with an object': () => new WsException({ my: 'shape' }),
    'an HttpException with text': () => new HttpException('Teapot', 418),
    'an HttpException with an object': () => new ForbiddenException({ code: 'not_yours', id: 7, status: 403 }),
    'an HttpException with a list': () => new BadRequestException(['name must be a string']),
    'an HttpException without text': () => new NotFoundException(),
    'an HttpException of status 503': () => new ServiceUnavailableException('db-7 is down'),
    'a MessageError': () => new MessageError('unknown_room', 'There is no such room', { room: 'x' }),
    'a zod error': () => z.object({ name: z.string() }).safeParse({}).error,
    'any other Error': () => new Error('secret'),
    text: () => 'secret',
    undefined: () => undefined,
    'an error that cannot be read': () => {
      const error = new HttpException('x', 400);
      error.getResponse = () => {
        throw new Error('secret');
      };
      return error;
    },
    'an error that cannot be encoded': () => new WsException({ big: 1n }),
  };

  const internal = { status: 'error', code: 'internal', message: 'Internal server error' };
  const http = { status: 'error', code: 'http_exception' };
  /** By what is thrown: the frame's data, and whether it names the message that failed. */
  const frames: readonly [string, object, boolean?][] = [
    ['a WsException with text', { status: 'error', message: 'told' }],
    ['a WsException with an object', { my: 'shape' }, false],
    ['an HttpException with text', { ...http, statusCode: 418, message: 'Teapot' }],
    [
      'an HttpException with an object',
      { ...http, statusCode: 403, message: 'Forbidden Exception', code: 'not_yours', id: 7 },
    ],
    [
      'an HttpException with a list',
      { ...http, statusCode: 400, message: ['name must be a string'], error: 'Bad Request' },
    ],
    ['an HttpException without text', { ...http, statusCode: 404, message: 'Not Found' }],
    ['an HttpException of status 503', internal],
    ['a MessageError', { status: 'error', code: 'unknown_room', message: 'There is no such room', room: 'x' }],
    [
      'a zod error',
      {
        status: 'error',
        code: 'validation',
        statusCode: 400,
        message: 'Validation failed',
        errors: [{ path: ['name'], message: expect.any(String), code: 'invalid_type' }],
      },
    ],
    ['any other Error', internal],
    ['text', internal],
    ['undefined', internal],
    ['an error that cannot be read', internal, false],
    ['an error that cannot be encoded', internal, false],
  ];

  @WebSocketGateway({ path: '/errors' })
  class Failing extends Marker {
    onMessage(_connection: Connection, message: Message) {
      throw thrown[message.text()]!();
    }
    @SubscribeMessage('sync')
    sync(@MessageBody() what: string) {
      throw thrown[what]!();
    }
    @SubscribeMessage('async')
    async later(@MessageBody() what: string) {
      await Promise.resolve();
      throw thrown[what]!();
    }
    @SubscribeMessage('observable')
    observable(@MessageBody() what: string) {
      return throwError(thrown[what]!);
    }
  }

  @UseInterceptors(
    class implements NestInterceptor {
      intercept(_: ExecutionContext, next: CallHandler) {
        return next.handle();
      }
    },
  )
  @WebSocketGateway({ path: '/intercepted-errors' })
  class Intercepted extends Failing {}

  let testApp: TestApp;
  beforeAll(async () => {
    testApp = await boot([Failing, Intercepted]);
    // Otherwise the first test would close it
    app = undefined;
  });
  afterAll(() => testApp.close());

  it.each(frames)(
    'sends the documented exception frame when a method throws %s',
    async (what, data, hasCause = true) => {
      for (const path of ['/errors', '/intercepted-errors']) {
        const client = await testApp.connect(path);
        for (const event of ['sync', 'async', 'observable']) {
          const cause = hasCause && { cause: { pattern: event, data: what } };
          expect(await ask(client, { event, data: what })).toEqual([frame({ ...data, ...cause })]);
        }
      }
    },
  );

  it.each(frames)('sends the exception frame without a cause when onMessage throws %s', async (what, data) => {
    for (const path of ['/errors', '/intercepted-errors']) {
      expect(await ask(await testApp.connect(path), what)).toEqual([frame(data)]);
    }
  });

  it("counts errors that a client causes, and logs the server's own errors with the id of the connection", async () => {
    const lines: string[] = [];
    const keep = (line: unknown) => void lines.push(String(line));
    const logger = { log() {}, warn: keep, error: keep, debug() {}, verbose() {} };
    const logged = await boot([Failing], { logger });
    const client = await logged.connect('/errors');
    const asked = ['an HttpException with a list', 'a WsException with text', 'a zod error', 'a MessageError'];
    await ask(client, ...asked, ...asked.map((data) => ({ event: 'sync', data })));
    expect(lines).toEqual([]);
    await ask(client, 'any other Error', { event: 'sync', data: 'an HttpException of status 503' });
    const [id] = [...logged.server.connections.keys()];
    expect(lines).toEqual([
      expect.stringMatching(`^WebSocket onMessage failed id=${id} path=/errors error="Error: secret"`),
      expect.stringMatching(`^WebSocket message method event=sync failed id=${id} path=/errors error=.*db-7 is down`),
    ]);
    expect(await logged.server.stats()).toMatchObject({ messageErrors: 8, hookErrors: 2 });
  });
});

describe('A filter', () => {
  const gatewayWith = (filter: object | null, path = '/filtered') => {
    @WebSocketGateway({ path })
    class Filtered extends Marker {
      onMessage() {
        throw new Error('hook');
      }
      @SubscribeMessage('fails')
      fails() {
        throw new Error('method');
      }
    }
    if (filter) UseFilters(filter as ExceptionFilter)(Filtered);
    return Filtered;
  };
  const both = ['text', { event: 'fails' }] as const;
  const internalData = { status: 'error', code: 'internal', message: 'Internal server error' };
  const internal = (cause?: object) => frame({ ...internalData, ...(cause && { cause }) });
  const unhandled = [internal(), internal({ pattern: 'fails' })];

  it.each<[string, (error: unknown) => unknown]>([
    ['returns nothing', () => {}],
    ['returns a promise of nothing', async () => {}],
  ])('takes an error for handled by a filter that %s', async (_, take) => {
    const testApp = await boot([gatewayWith({ catch: take })]);
    expect(await ask(await testApp.connect('/filtered'), ...both)).toEqual([]);
    expect((await testApp.server.stats()).hookErrors).toBe(0);
  });

  it.each<[string, (error: unknown) => unknown]>([
    [
      'throws another error',
      () => {
        throw new TypeError('filter');
      },
    ],
    [
      'rethrows the error',
      (error) => {
        throw error;
      },
    ],
    ['rejects', () => Promise.reject(new TypeError('filter'))],
  ])('sends the exception frame of the error after a filter that %s', async (_, fail) => {
    const testApp = await boot([gatewayWith({ catch: fail })]);
    expect(await ask(await testApp.connect('/filtered'), ...both)).toEqual(unhandled);
    expect((await testApp.server.stats()).hookErrors).toBe(2);
  });

  it('logs a failing filter once, however often a client makes it fail', async () => {
    const lines: string[] = [];
    const logger = { log() {}, warn() {}, debug() {}, verbose() {}, error: (line: string) => void lines.push(line) };
    const fail = () => Promise.reject(new TypeError('filter'));
    const testApp = await boot([gatewayWith({ catch: fail })], { logger });
    await ask(await testApp.connect('/filtered'), ...Array.from({ length: 10 }, () => 'text'));
    expect(lines.filter((line) => line.includes('An exception filter failed'))).toHaveLength(1);
  });

  it('prefers the filter of a method to that of the class, and that to a global one', async () => {
    const send = (name: string) => ({
      catch: (_: unknown, host: ArgumentsHost) => void host.switchToWs().getClient<Connection>().send(`"${name}"`),
    });
    @UseFilters(send('class'))
    @WebSocketGateway({ path: '/order' })
    class Ordered extends Marker {
      @UseFilters(send('method'))
      @SubscribeMessage('method')
      method() {
        throw new Error();
      }
      @SubscribeMessage('class')
      class() {
        throw new Error();
      }
    }
    const configure = (nest: INestApplication) => void nest.useGlobalFilters(send('global') as ExceptionFilter);
    const testApp = await boot([Ordered, gatewayWith(null)], { configure });
    const client = await testApp.connect('/order');
    expect(await ask(client, { event: 'method' }, { event: 'class' })).toEqual(['method', 'class']);
    expect(await ask(await testApp.connect('/filtered'), ...both)).toEqual(['global', 'global']);
  });

  it('leaves an error that a filter does not catch to the next one', async () => {
    @Catch(TypeError)
    class OnlyTypeErrors implements ExceptionFilter {
      catch() {}
    }
    const testApp = await boot([gatewayWith(OnlyTypeErrors)]);
    expect(await ask(await testApp.connect('/filtered'), ...both)).toEqual(unhandled);
  });

  describe.each(PLATFORMS)('written for HTTP alone, on $platform', ({ adapter }) => {
    interface Response {
      status(code: number): Response;
      code(code: number): Response;
      send(body: object): void;
    }

    @Catch()
    class SendsStatus implements ExceptionFilter {
      catch(error: Error, host: ArgumentsHost) {
        host.switchToHttp().getResponse<Response>().status(500).send({ message: error.message });
      }
    }
    @Catch()
    class ExtendsBase extends BaseExceptionFilter {
      override catch(error: unknown, host: ArgumentsHost) {
        super.catch(error, host);
      }
    }
    @Catch()
    class AsInTheDocs implements ExceptionFilter {
      constructor(private readonly host: HttpAdapterHost) {}

      catch(_error: unknown, host: ArgumentsHost) {
        const { httpAdapter } = this.host;
        const context = host.switchToHttp();
        const path = httpAdapter.getRequestUrl(context.getRequest()) as string;
        httpAdapter.reply(context.getResponse(), { path }, 500);
      }
    }

    const filters: readonly [string, (nest: INestApplication) => ExceptionFilter][] = [
      ['sends a status', () => new SendsStatus()],
      ['extends BaseExceptionFilter', (nest) => new ExtendsBase(nest.get(HttpAdapterHost).httpAdapter)],
      ['follows the docs of Nest', (nest) => new AsInTheDocs(nest.get(HttpAdapterHost))],
    ];

    it.each(filters)('ignores a global filter that was written for HTTP alone and %s', async (_, filterOf) => {
      const configure = (nest: INestApplication) => void nest.useGlobalFilters(filterOf(nest));
      const testApp = await boot([gatewayWith(null)], { adapter: adapter(), configure });
      const client = await testApp.connect('/filtered');
      for (const data of [undefined, null, {}, 'text', 7, { status: 'sent', headersSent: false }, { raw: {} }]) {
        // Fastify takes the message for its response and writes a status to it
        const cause = { cause: expect.objectContaining({ pattern: 'fails' }) };
        expect(await ask(client, { event: 'fails', data })).toEqual([frame({ ...internalData, ...cause })]);
      }
      expect(await ask(client, 'text')).toEqual([internal()]);
      expect((await fetch(`${testApp.url}/nowhere`)).status).toBeGreaterThanOrEqual(404);
    });
  });
});

class Inner {
  @IsInt()
  size!: number;
}

class Room {
  @IsString()
  name!: string;

  @ValidateNested()
  @TypeOf(() => Inner)
  inner!: Inner;
}

describe('A global ValidationPipe({ transform: true, whitelist: true })', () => {
  const configure = (nest: INestApplication) =>
    void nest.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true }));

  const answer = (connection: Connection, body: Room) => {
    const isRoom = body instanceof Room && body.inner instanceof Inner;
    connection.emit('seen', [connection instanceof Connection, connection.readyState, isRoom, body]);
  };

  @WebSocketGateway({ path: '/hooks' })
  class Hooked {
    onOpen(connection: Connection, request: HandshakeRequest) {
      connection.emit('open', [connection instanceof Connection, request instanceof HandshakeRequest, request.path]);
    }
    onMessage(connection: Connection, @MessageBody() room: Room) {
      answer(connection, room);
    }
  }

  @WebSocketGateway({ path: '/raw' })
  class Raw {
    onMessage(connection: Connection, message: Message) {
      connection.emit('raw', [connection instanceof Connection, message instanceof Message, message.text()]);
    }
  }

  @WebSocketGateway({ path: '/methods' })
  class Methods extends Marker {
    @SubscribeMessage('decorated')
    decorated(@MessageBody() room: Room, @ConnectedSocket() connection: Connection) {
      answer(connection, room);
    }
    @SubscribeMessage('undecorated')
    undecorated(connection: Connection, room: Room) {
      answer(connection, room);
    }
    @SubscribeMessage('property')
    property(@MessageBody('inner') inner: Inner) {
      return { event: 'property', data: [inner instanceof Inner, inner] };
    }
  }

  const sent = { name: 'lobby', inner: { size: 3, more: 1 }, isAdmin: true };
  const valid = { name: 'lobby', inner: { size: 3 } };
  const wrong = { name: 7, inner: { size: 'x' } };
  const errors = ['name must be a string', 'inner.size must be an integer number'];

  it('transforms the body of a method to its declared type, and leaves the Connection as it is', async () => {
    const client = await (await boot([Methods], { configure })).connect('/methods');
    for (const event of ['decorated', 'undecorated']) {
      expect(await ask(client, { event, data: sent })).toEqual([{ event: 'seen', data: [true, 1, true, valid] }]);
    }
    expect(await ask(client, { event: 'property', data: sent })).toEqual([
      { event: 'property', data: [true, { size: 3 }] },
    ]);
  });

  it('transforms the body of onMessage to its declared type, and leaves the Connection as it is', async () => {
    const client = await (await boot([Hooked], { configure })).connect('/hooks');
    expect(await client.next('open')).toEqual([true, true, '/hooks']);
    client.send(sent);
    expect(await client.next('seen')).toEqual([true, 1, true, valid]);
  });

  it('leaves the Message of onMessage as it is under a global ValidationPipe', async () => {
    const client = await (await boot([Raw], { configure })).connect('/raw');
    client.send(sent);
    expect(await client.next('raw')).toEqual([true, true, JSON.stringify(sent)]);
  });

  it('sends the client the invalid fields, and handles its next message', async () => {
    const testApp = await boot([Methods, Hooked], { configure });
    const client = await testApp.connect('/methods');
    const data = { status: 'error', code: 'http_exception', statusCode: 400, error: 'Bad Request', message: errors };
    const cause = { pattern: 'decorated', data: wrong };
    expect(await ask(client, { event: 'decorated', data: wrong, id: 9 })).toEqual([
      { ...frame({ ...data, cause }), id: 9 },
    ]);
    expect(await ask(client, { event: 'decorated', data: sent })).toHaveLength(1);
    const hooked = await testApp.connect('/hooks');
    hooked.send(wrong);
    expect(await hooked.next('exception')).toEqual(data);
    hooked.send('no json');
    expect(await hooked.next('exception')).toMatchObject({ code: 'bad_json' });
  });
});

describe('A global pipe that replaces every value', () => {
  const Sender = createParamDecorator((_: unknown, context: ExecutionContext) =>
    context.switchToWs().getClient<Connection>(),
  );

  @WebSocketGateway({ path: '/changed' })
  class Changed {
    onMessage(@ConnectedSocket() connection: Connection, @MessageBody() body: unknown, @Sender() sender: Connection) {
      connection.emit('hook', [body, sender === connection]);
    }
    @SubscribeMessage('event')
    event(@ConnectedSocket() connection: Connection, @MessageBody() body: unknown, @Sender() sender: Connection) {
      connection.emit('method', [body, sender === connection]);
    }
  }

  it('passes nothing but the body of a message to a global pipe', async () => {
    const configure = (nest: INestApplication) => void nest.useGlobalPipes({ transform: () => 'changed' });
    const client = await (await boot([Changed], { configure })).connect('/changed');
    client.send('{}');
    client.send({ event: 'event', data: {} });
    expect([await client.next('hook'), await client.next('method')]).toEqual([
      ['changed', true],
      ['changed', true],
    ]);
  });
});

describe('The error of a validation library', () => {
  class ZodPipe implements PipeTransform {
    transform(value: unknown) {
      return z.object({ name: z.string(), tags: z.array(z.number()) }).parse(value);
    }
  }

  @WebSocketGateway()
  class Validating extends Marker {
    @UsePipes(ZodPipe)
    @SubscribeMessage('zod')
    zod(@MessageBody() data: unknown) {
      return { event: 'zod', data };
    }
    @SubscribeMessage('class-validator')
    async classValidator(@MessageBody() data: object) {
      const inner = Object.assign(new Inner(), (data as { inner?: object }).inner);
      await validateOrReject(Object.assign(new Room(), data, { inner }));
    }
  }

  it.each<[string, object, object[]]>([
    [
      'zod',
      { name: 1, tags: [1, 'x'] },
      [
        { path: ['name'], message: expect.any(String), code: 'invalid_type' },
        { path: ['tags', 1], message: expect.any(String), code: 'invalid_type' },
      ],
    ],
    [
      'class-validator',
      { inner: { size: 'x' } },
      [
        { path: ['name'], message: 'name must be a string', code: 'isString' },
        { path: ['inner', 'size'], message: 'size must be an integer number', code: 'isInt' },
      ],
    ],
  ])('sends the client the invalid fields of an error of %s', async (event, data, errors) => {
    const client = await (await boot([Validating])).connect('/');
    const expected = { status: 'error', code: 'validation', statusCode: 400, message: 'Validation failed', errors };
    const cause = { pattern: event, data };
    expect(await ask(client, { event, data })).toEqual([frame({ ...expected, cause })]);
  });
});

describe('A guard', () => {
  it('refuses a message with the exception that its guard throws', async () => {
    @UseGuards(Refusing)
    @WebSocketGateway()
    class Guarded {
      @SubscribeMessage('guarded')
      guarded() {
        return 'never';
      }
    }
    const client = await (await boot([Guarded])).connect('/');
    client.send({ event: 'guarded' });
    expect(await client.next('exception')).toMatchObject({ message: 'Forbidden resource' });
    client.send({ event: 'guarded', data: 'throw' });
    expect(await client.next('exception')).toMatchObject({ statusCode: 401, message: 'Log in first' });
  });

  it('asks guards of the class at the handshake alone, whatever guards a method has of its own', async () => {
    const asked: string[] = [];
    const guardNamed = (name: string): CanActivate => ({
      canActivate: (context) => asked.push(`${name} ${context.getType()} ${context.getHandler().name}`) > 0,
    });
    @UseGuards(guardNamed('class'))
    @WebSocketGateway({ path: '/asked' })
    class Asked {
      onMessage(connection: Connection) {
        connection.emit('hook');
      }
      @UseGuards(guardNamed('method'))
      @SubscribeMessage('event')
      event() {
        return { event: 'method' };
      }
    }
    const configure = (nest: INestApplication) => {
      nest.useGlobalGuards(guardNamed('global'));
      nest.useGlobalInterceptors({ intercept: (_: ExecutionContext, next: CallHandler) => next.handle() });
    };
    const client = await (await boot([Asked], { configure })).connect('/asked');
    client.send('text');
    await client.next('hook');
    client.send({ event: 'event' });
    await client.next('method');
    expect(asked).toEqual(['global http onHandshake', 'class http onHandshake', 'method ws event']);
  });

  it('lets a guard read the metadata of the gateway and of onHandshake', async () => {
    @Injectable()
    class Roles implements CanActivate {
      constructor(private readonly reflector: Reflector) {}

      canActivate(context: ExecutionContext) {
        const roles = this.reflector.getAllAndMerge<string[]>('roles', [context.getHandler(), context.getClass()]);
        const { url } = context.switchToHttp().getRequest<{ url: string }>();
        return roles.every((role) => url.includes(role));
      }
    }
    @SetMetadata('roles', ['class'])
    @UseGuards(Roles)
    @WebSocketGateway({ path: '/roles' })
    class Guarded {
      @SetMetadata('roles', ['hook'])
      onHandshake() {}
    }
    const testApp = await boot([Guarded]);
    await expect(testApp.connect('/roles?class')).rejects.toMatchObject({ status: 403 });
    expect((await testApp.connect('/roles?class&hook')).socket.readyState).toBe(1);
  });
});

describe('An interceptor', () => {
  const results: unknown[] = [];

  class Watching implements NestInterceptor {
    intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(tap((result) => results.push(result)));
    }
  }

  @UseInterceptors(Doubling)
  @WebSocketGateway()
  class Doubled extends Marker {
    override marker(data: unknown) {
      return { event: 'marker', data };
    }
    @SubscribeMessage('generator')
    async *generator() {
      yield { event: 'item', data: 1 };
      yield { event: 'item', data: 2 };
    }
    @SubscribeMessage('observable')
    observable() {
      return of({ event: 'item', data: 3 }, { event: 'item', data: 4 });
    }
    @SubscribeMessage('value')
    value() {
      return { event: 'item', data: 5 };
    }
  }

  it('passes each item of an async generator, as of an Observable, through interceptors', async () => {
    const client = await (await boot([Doubled])).connect('/');
    for (const event of ['generator', 'observable', 'value']) client.send({ event });
    const items: unknown[] = [];
    while (items.length < 5) items.push(await client.next('item'));
    expect(items).toEqual([2, 4, 6, 8, 10]);
  });

  it('passes the return value of a hook through interceptors, and sends it to nobody', async () => {
    results.length = 0;
    @UseInterceptors(Watching)
    @WebSocketGateway({ path: '/watched' })
    class Watched {
      onMessage(connection: Connection, message: Message) {
        connection.send(`echo ${message.text()}`);
        return { entity: 'secret' };
      }
    }
    const client = await (await boot([Watched])).connect('/watched');
    client.send('a');
    client.send('b');
    expect([await client.next(), await client.next()]).toEqual(['echo a', 'echo b']);
    expect(results).toEqual([{ entity: 'secret' }, { entity: 'secret' }]);
  });
});

describe("A hook's Observable", () => {
  it.each<[string, NestInterceptor[]]>([
    ['without interceptors', []],
    ['under an interceptor', [{ intercept: (_: ExecutionContext, next: CallHandler) => next.handle() }]],
  ])('neither subscribes to the Observable of a hook nor waits for it, %s', async (_, interceptors) => {
    let subscribed = 0;
    const endless = new Observable<never>(() => void subscribed++);
    @WebSocketGateway({ path: '/endless' })
    class Endless {
      onOpen() {
        return endless;
      }
      onMessage(connection: Connection, message: Message) {
        connection.send(message.text());
        return endless;
      }
      onClose() {
        return endless;
      }
    }
    const testApp = await boot([Endless], { configure: (nest) => void nest.useGlobalInterceptors(...interceptors) });
    const client = await testApp.connect('/endless');
    client.send('one');
    client.send('two');
    expect([await client.next(), await client.next()]).toEqual(['one', 'two']);
    await client.close();
    await testApp.close();
    expect(subscribed).toBe(0);
  });
});

describe('onDrain', () => {
  it('runs onDrain in a ws context of its own once the client has read the waiting messages', async () => {
    const contexts: unknown[] = [];
    class Noting implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler) {
        const socket = context.switchToWs();
        contexts.push([context.getHandler().name, socket.getPattern(), typeof socket.getData()]);
        return next.handle();
      }
    }
    @WebSocketGateway({ path: '/drain', slowConsumer: 'drop-newest' } satisfies RealtimeGatewayOptions)
    class Draining {
      onMessage(connection: Connection, message: Message) {
        const chunk = 'x'.repeat(100_000);
        for (let sent = 0; sent < Number(message.text()) && connection.send(chunk); sent++);
      }
      @UseInterceptors(Noting)
      onDrain(connection: Connection) {
        connection.emit('drained', contexts);
      }
    }
    const client = await (await boot([Draining])).connect('/drain');
    client.socket.pause();
    client.send('1000');
    await until(
      'a slow client',
      () => app!.server.stats(),
      ({ dropped }) => dropped > 0,
    );
    client.socket.resume();
    expect(await client.next('drained')).toEqual([['onDrain', 'onDrain', 'undefined']]);
  });
});

describe('onAuthenticate', () => {
  @WebSocketGateway({ path: '/first' })
  class Authenticating {
    onAuthenticate(message: Message, request: HandshakeRequest) {
      if (message.text() !== 'secret') throw new UnauthorizedException();
      return { userId: request.query.get('name')! };
    }
    onOpen(connection: Connection) {
      connection.send(`Hello ${connection.userId}`);
    }
  }

  const THROWN: Readonly<Record<string, () => Error>> = {
    UnauthorizedException: () => new UnauthorizedException(),
    ForbiddenException: () => new ForbiddenException(),
    WsException: () => new WsException('who?'),
    'HandshakeError 401': () => new HandshakeError(401),
    'a message that is not JSON': () => new MessageError('bad_json', 'The message is not valid JSON'),
    'HttpException 429': () => new HttpException('slow down', 429),
    ServiceUnavailableException: () => new ServiceUnavailableException(),
    TypeError: () => new TypeError('undefined is not a function'),
    InternalServerErrorException: () => new InternalServerErrorException(),
    NotFoundException: () => new NotFoundException(),
  };

  @WebSocketGateway({ path: '/thrown' })
  class Throwing {
    onHandshake() {
      return { userId: 'ann', rooms: ['early'], data: { early: true }, expiresAt: new Date(Date.now() + 60_000) };
    }
    onAuthenticate(message: Message) {
      const error = THROWN[message.text()]?.();
      if (error) throw error;
      return { rooms: ['late'], data: undefined };
    }
    onOpen(connection: Connection) {
      connection.emit('identity', [connection.userId, [...connection.rooms], connection.data]);
    }
  }

  it.each([
    ...['UnauthorizedException', 'ForbiddenException', 'WsException', 'HandshakeError 401'].map((name) => [name, 4501]),
    ...[
      ['a message that is not JSON', 4501],
      ['HttpException 429', 1013],
      ['ServiceUnavailableException', 1013],
    ],
    ...['TypeError', 'InternalServerErrorException', 'NotFoundException'].map((name) => [name, 1011]),
  ] as [string, number][])('ends a client whose onAuthenticate throws %s with %i', async (name, code) => {
    const client = await (await boot([Throwing])).connect('/thrown');
    client.send(name);
    expect((await client.closed()).code).toBe(code);
  });

  it('adds to the identity of onHandshake, and wins field by field', async () => {
    const client = await (await boot([Throwing])).connect('/thrown');
    client.send('secret');
    expect(await client.next('identity')).toEqual(['ann', ['late'], { early: true }]);
  });

  it('authenticates a client by its first message, before onOpen', async () => {
    const testApp = await boot([Authenticating]);
    const [ann, bob] = [await testApp.connect('/first?name=ann'), await testApp.connect('/first?name=bob')];
    ann.send('secret');
    bob.send('guess');
    expect(await ann.next()).toBe('Hello ann');
    expect(await bob.closed()).toEqual({ code: 4501, reason: 'unauthorized' });
  });
});

describe('A parameter decorator of the application', () => {
  const ConnectionId = createParamDecorator((property: 'id' | 'path', context: ExecutionContext) => {
    const { [property]: value } = context.switchToWs().getClient<Connection>();
    return `${context.getType()} ${context.getHandler().name} ${value ? 'known' : ''}`;
  });

  @WebSocketGateway({ path: '/decorated' })
  class Decorated {
    onOpen(@ConnectionId('id') id: string, @ConnectedSocket() connection: Connection) {
      connection.emit('open', id);
    }
    onMessage(connection: Connection, message: Message, @ConnectionId('id') id: string) {
      connection.emit('hook', [message.text(), id]);
    }
    @SubscribeMessage('method')
    method(@ConnectionId('path') path: string, @MessageBody() data: unknown) {
      return { event: 'method', data: [path, data] };
    }
  }

  it("supplies the values of an application's parameter decorator in hooks and in methods", async () => {
    const client = await (await boot([Decorated])).connect('/decorated');
    expect(await client.next('open')).toBe('ws onOpen known');
    client.send('text');
    expect(await client.next('hook')).toEqual(['text', 'ws onMessage known']);
    client.send({ event: 'method', data: 1 });
    expect(await client.next('method')).toEqual(['ws method known', 1]);
  });
});
