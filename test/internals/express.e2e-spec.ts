/**
 * What this library knows of Express, and of Nest's adapter for it, beyond their documentation
 * (libs/realtime/src/nest/internals/express.ts): a new version that changes it fails here, by name.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import {
  Controller,
  Get,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { HandshakeRequest, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import {
  expressOf,
  getPathsFrom,
  insertMiddleware,
  type Middleware,
  onMiddleware,
} from '../../libs/realtime/src/nest/internals/express.js';

describe('a request that passes', () => {
  /** Own properties of the request and the response, where Express gets them and where it has done its work. */
  let before: { request: PropertyKey[]; response: PropertyKey[] };
  let after: typeof before;
  let response: ServerResponse;
  let seen: Record<string, unknown>;

  @WebSocketGateway({ path: '/rooms/:room' })
  class RoomGateway {
    onHandshake(request: HandshakeRequest): void {
      const raw = request.raw as IncomingMessage & Record<string, unknown>;
      seen = { originalUrl: raw['originalUrl'], baseUrl: raw['baseUrl'], params: raw['params'], url: raw.url };
      after = { request: Reflect.ownKeys(raw), response: Reflect.ownKeys(response) };
    }
  }

  let app: TestApp;

  beforeEach(async () => {
    const imports = [RealtimeModule.forRoot({ envFile: false })];
    app = await createTestApp(await Test.createTestingModule({ imports, providers: [RoomGateway] }).compile());
    (app.app.getHttpServer() as Server).prependListener('request', (request, born) => {
      response = born;
      before = { request: Reflect.ownKeys(request), response: Reflect.ownKeys(born) };
    });
  });

  afterEach(() => app.close());

  it('an upgrade has every property that Express adds before Express changes its prototype', async () => {
    // The first one shows which key the router has of its own
    await app.connect('/rooms/7?name=ann');
    await app.connect('/rooms/7?name=ann');
    const added = after.request.filter((name) => !before.request.includes(name));
    expect(added).toEqual([]);
    expect(after.response.filter((name) => !before.response.includes(name))).toEqual([]);
  });

  it('Express fills the properties that were added before it as it does for any request', async () => {
    await app.connect('/rooms/7?name=ann');
    const url = '/rooms/7?name=ann';
    expect(seen).toEqual({ originalUrl: url, baseUrl: '', params: { room: '7' }, url });
    expect(response).toMatchObject({ statusCode: 101, locals: {} });
  });
});

describe('an application', () => {
  const noted: string[] = [];
  const pass: Middleware = (_request, _response, next) => next();

  @Controller()
  class Home {
    @Get('/home')
    home(): string {
      return 'home';
    }
  }

  /** Two modules with middleware. */
  const withMiddleware = (name: string, ...imports: Type[]) => {
    @Module({ imports })
    class Configured implements NestModule {
      configure(consumer: MiddlewareConsumer): void {
        noted.push(`configure ${name}`);
        consumer.apply(pass).forRoutes('*path');
      }
    }
    return Configured;
  };

  let app: INestApplication;

  beforeEach(async () => {
    noted.length = 0;
    const imports = [withMiddleware('first', withMiddleware('second'))];
    app = (await Test.createTestingModule({ imports, controllers: [Home] }).compile()).createNestApplication({
      logger: false,
    });
  });

  afterEach(() => app.close());

  it('Nest asks all modules for middleware, then registers each at the end of the stack through createMiddlewareFactory', async () => {
    const { router } = expressOf(app.getHttpAdapter());
    let length = router.stack.length;
    onMiddleware(app.getHttpAdapter(), () => {
      noted.push('registered');
      expect(router.stack.length).toBeGreaterThan(length);
      length = router.stack.length;
    });
    await app.init();
    expect(noted.slice(0, 2).sort()).toEqual(['configure first', 'configure second']);
    expect(new Set(noted.slice(2))).toEqual(new Set(['registered']));
    expect(getPathsFrom(expressOf(app.getHttpAdapter()), length)).toContain('/home');
  });

  it("requests pass the layers in the order of the router's stack, which can be changed", async () => {
    await app.listen(0);
    const get = async () => (await fetch(`${await app.getUrl()}/home`)).text();
    const express = expressOf(app.getHttpAdapter());
    insertMiddleware(express, 0, (_request, response) => void response.end('inserted'));
    expect(await get()).toBe('inserted');
    express.router.stack.shift();
    expect(await get()).toBe('home');
  });

  it('an object with the prototype of its requests has an address as soon as it has headers and a socket', async () => {
    await app.init();
    const express = expressOf(app.getHttpAdapter());
    const read = () => {
      const headers = { 'x-forwarded-for': '203.0.113.7' };
      const request = Object.assign(Object.create(express.request) as { ip?: string }, {
        headers,
        socket: { remoteAddress: '192.0.2.1' },
      });
      return request.ip;
    };
    expect([read(), Object.hasOwn(express.request, 'ip')]).toEqual(['192.0.2.1', false]);
    (express as unknown as { set(name: string, value: unknown): void }).set('trust proxy', true);
    expect(read()).toBe('203.0.113.7');
  });

  it('a response gets what Express adds by its prototype alone', async () => {
    await app.init();
    expect(typeof Reflect.get(expressOf(app.getHttpAdapter()).response, 'redirect')).toBe('function');
  });
});
