/**
 * What this library touches inside Nest that Nest does not promise. It runs on both majors (`npm test`, `npm run
 * check:nest11`): a new version of Nest that changes one of them fails here, by name.
 */
import { Controller, Get, Injectable, type INestApplication, Scope } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator, ModuleRef, ModulesContainer } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
import { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { GATEWAY_METADATA, GATEWAY_OPTIONS, PARAM_ARGS_METADATA, PORT_METADATA } from '@nestjs/websockets/constants.js';
import { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
import { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
import { WebSocketsController } from '@nestjs/websockets/web-sockets-controller.js';

@Injectable({ scope: Scope.REQUEST })
class PerRequest {}

@WebSocketGateway(0, { path: '/gateway' })
class Gateway {
  @SubscribeMessage('event')
  method(@MessageBody() data: object) {
    return data;
  }
}

@Controller()
class Home {
  @Get()
  home() {}
}

let app: INestApplication;

beforeAll(async () => {
  const metadata = { providers: [Gateway, PerRequest], controllers: [Home] };
  app = (await Test.createTestingModule(metadata).compile()).createNestApplication({ logger: false });
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.init();
});
afterAll(() => app.close());

/** The names of the given ones that an object has as methods. */
const methodsOf = (owner: object, ...names: string[]) =>
  names.filter((name) => typeof Reflect.get(owner, name) === 'function');

it('is the major version that this run is for', () => {
  const major = 'createRequestScopedHandler' in WebSocketsController.prototype ? '12' : '11';
  expect(major).toBe(process.env['NEST_MAJOR'] ?? '12');
});

describe('ExternalContextCreator', () => {
  it.each(['guardsContextCreator', 'interceptorsContextCreator', 'pipesContextCreator'])('has a %s', (name) => {
    const creator = Reflect.get(app.get(ExternalContextCreator), name) as object;
    const touched = ['create', 'createContext', 'createConcreteContext', 'getGlobalMetadata', 'reflectClassMetadata'];
    expect(methodsOf(creator, ...touched)).toEqual(touched);
  });

  it.each([
    ['guardsConsumer', 'tryActivate'],
    ['interceptorsConsumer', 'intercept'],
    ['pipesConsumer', 'apply'],
  ])('has a %s that can %s', (name, verb) => {
    const consumer = Reflect.get(app.get(ExternalContextCreator), name) as object;
    expect(methodsOf(consumer, verb)).toEqual([verb]);
  });

  it('calls createContext for each kind, so that it can be replaced', () => {
    for (const name of ['guardsContextCreator', 'interceptorsContextCreator', 'pipesContextCreator']) {
      const creator = Reflect.get(app.get(ExternalContextCreator), name) as object;
      const changed = Object.create(creator, { createContext: { value: () => ['replaced'] } }) as {
        create(...args: unknown[]): unknown;
      };
      expect(changed.create(new Gateway(), Gateway.prototype.method, '')).toEqual(['replaced']);
    }
  });
});

describe('WsContextCreator', () => {
  it('asks createPipesFn for the parameters of a method and reflectCallbackPattern for its pattern', async () => {
    const asked: unknown[] = [];
    class Watching extends WsContextCreator {
      override createPipesFn(...args: Parameters<WsContextCreator['createPipesFn']>) {
        const [parameter] = args[1] as unknown as Record<string, unknown>[];
        asked.push([
          parameter!['index'],
          parameter!['type'],
          parameter!['metatype'],
          typeof parameter!['extractValue'],
        ]);
        return super.createPipesFn(...args);
      }
      override reflectCallbackPattern(callback: (...args: unknown[]) => unknown) {
        asked.push(callback.name);
        return super.reflectCallbackPattern(callback);
      }
    }
    const external = app.get(ExternalContextCreator);
    const part = (name: string) => Reflect.get(external, name) as never;
    const { container } = app.get(ModuleRef) as unknown as { container: never };
    const creator = new Watching(
      { create: (method: unknown) => method } as never,
      new ExceptionFiltersContext(container),
      part('pipesContextCreator'),
      part('pipesConsumer'),
      part('guardsContextCreator'),
      part('guardsConsumer'),
      part('interceptorsContextCreator'),
      part('interceptorsConsumer'),
    );
    const method = creator.create(new Gateway(), Gateway.prototype.method as never, '', 'method');
    expect(asked).toEqual([[0, 3, Object, 'function'], 'method']);
    expect(await method({}, { body: 1 })).toEqual({ body: 1 });
    expect(Reflect.get(creator, 'pipesConsumer')).toBe(part('pipesConsumer'));
  });
});

describe('ExceptionFiltersContext', () => {
  it('gives the filters of a method, the closest first, and leaves global ones to getGlobalMetadata', () => {
    class WithGlobals extends ExceptionFiltersContext {
      override getGlobalMetadata<T extends unknown[]>(): T {
        return [{ catch: () => 'global' }] as unknown as T;
      }
    }
    const { container } = app.get(ModuleRef) as unknown as { container: never };
    const handler = new WithGlobals(container).create(new Gateway(), Gateway.prototype.method as never, '');
    const { filters } = handler as unknown as { filters: { func(): string; exceptionMetatypes: unknown[] }[] };
    expect(filters.map(({ func, exceptionMetatypes }) => [func(), exceptionMetatypes])).toEqual([['global', []]]);
  });
});

describe('The container', () => {
  it('tells of a provider what the explorer asks', () => {
    const wrappers = [...app.get(ModulesContainer).values()].flatMap(({ providers }) => [...providers.values()]);
    const of = (metatype: unknown) => wrappers.find((wrapper) => wrapper.metatype === metatype)!;
    expect(of(Gateway).isDependencyTreeStatic()).toBe(true);
    expect(of(PerRequest).isDependencyTreeStatic()).toBe(false);
    expect(of(PerRequest).isDependencyTreeDurable()).toBe(false);
    expect(of(Gateway)).toMatchObject({ isNotMetatype: false, token: Gateway, id: expect.any(String) });
  });

  it('has a ModuleRef for each module among its providers', () => {
    for (const { providers } of app.get(ModulesContainer).values()) {
      expect(providers.get(ModuleRef)!.instance).toBeInstanceOf(ModuleRef);
    }
  });

  it('tells the request-scoped global enhancers', () => {
    const touched = ['Guards', 'Interceptors', 'Pipes', 'Filters'].map((kind) => `getGlobalRequest${kind}`);
    expect(methodsOf(app.get(ApplicationConfig), ...touched)).toEqual(touched);
  });
});

it('names the metadata of gateways as it did', () => {
  expect(Reflect.getMetadata(GATEWAY_METADATA, Gateway)).toBe(true);
  expect(Reflect.getMetadata(GATEWAY_OPTIONS, Gateway)).toEqual({ path: '/gateway' });
  expect(Reflect.getMetadata(PORT_METADATA, Gateway)).toBe(0);
  expect(Reflect.getMetadata(PARAM_ARGS_METADATA, Gateway, 'method')).toEqual({
    '3:0': expect.objectContaining({ index: 0, pipes: [] }),
  });
});

it('has a symbol for the context of a request, a host for arguments and a factory for paths', () => {
  expect(typeof REQUEST_CONTEXT_ID).toBe('symbol');
  const host = new ExecutionContextHost(['client', 'data', 'pattern']);
  host.setType('ws');
  expect([host.getType(), host.switchToWs().getPattern()]).toEqual(['ws', 'pattern']);
  const options = { ctrlPath: '/ws', globalPrefix: '/api' };
  expect(new RoutePathFactory(app.get(ApplicationConfig)).create(options, 0)).toEqual(['/api/ws']);
});

it('has a WsAdapter whose message parser can be read and set', () => {
  const adapter = new WsAdapter();
  const parser = () => undefined;
  const before: unknown = Reflect.get(adapter, 'messageParser');
  adapter.setMessageParser(parser as never);
  expect([typeof before, Reflect.get(adapter, 'messageParser')]).toEqual(['function', parser]);
});
