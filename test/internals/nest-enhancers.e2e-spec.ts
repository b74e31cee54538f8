/**
 * What this library knows of guards, pipes, interceptors and filters that Nest does not promise
 * (libs/realtime/src/nest/internals/nest-enhancers.ts). It runs on both majors, as nest.e2e-spec.ts.
 */
import {
  Catch,
  type INestApplication,
  Injectable,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { APP_GUARD, ApplicationConfig, ExternalContextCreator, ModuleRef, ModulesContainer } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  containerOf,
  enhancerPartsOf,
  ExceptionFiltersContext,
  filtersOf,
  globalEnhancers,
  hasEnhancers,
  lookedUpBy,
  scopedGlobals,
  WsContextCreator,
  WsParamtype,
  WsProxy,
} from '../../libs/realtime/src/nest/internals/nest-enhancers.js';
import { gatewayProviders } from '../../libs/realtime/src/nest/internals/nest.js';

const admit = { canActivate: () => true };
const intercept = { intercept: (_context: unknown, next: { handle(): never }) => next.handle() };

@Catch(TypeError)
class TypeErrorFilter {
  catch = () => 'type error';
}

@Injectable({ scope: Scope.REQUEST })
class ScopedGuard {
  canActivate = () => true;
}

@WebSocketGateway()
class Gateway {
  @UseGuards(admit)
  @UseInterceptors(intercept)
  @UsePipes(new ValidationPipe())
  @UseFilters(new TypeErrorFilter())
  @SubscribeMessage('event')
  method(@MessageBody() data: object) {
    return data;
  }

  plain(): void {}
}

const { method, plain } = Gateway.prototype;
const LOOKUPS = ['guardsContextCreator', 'interceptorsContextCreator', 'pipesContextCreator'] as const;
const STEPS = ['createContext', 'createConcreteContext', 'getGlobalMetadata', 'reflectClassMetadata'] as const;

let app: INestApplication;
let moduleKey: string;

beforeAll(async () => {
  const providers = [Gateway, { provide: APP_GUARD, useClass: ScopedGuard }];
  app = (await Test.createTestingModule({ providers }).compile()).createNestApplication({ logger: false });
  app.useWebSocketAdapter(new WsAdapter(app));
  app.useGlobalInterceptors(intercept as never);
  await app.init();
  moduleKey = gatewayProviders(app.get(ModulesContainer))[0]!.moduleKey;
});
afterAll(() => app.close());

/** The names of the given ones that an object has as methods. */
const methodsOf = (owner: object, names: readonly string[]) =>
  names.filter((name) => typeof Reflect.get(owner, name) === 'function');

it('ExternalContextCreator holds the creators and the consumers of guards, interceptors and pipes', () => {
  const parts = enhancerPartsOf(app.get(ExternalContextCreator));
  for (const name of LOOKUPS) expect(methodsOf(parts[name], STEPS)).toEqual(STEPS);
  expect(methodsOf(parts.guardsConsumer, ['tryActivate'])).toEqual(['tryActivate']);
  expect(methodsOf(parts.interceptorsConsumer, ['intercept'])).toEqual(['intercept']);
  expect(methodsOf(parts.pipesConsumer, ['apply'])).toEqual(['apply']);
});

it('ExternalContextCreator without one of its parts is an error at boot that names the part', () => {
  const external = { guardsContextCreator: {} } as unknown as ExternalContextCreator;
  expect(() => enhancerPartsOf(external)).toThrow(/^ExternalContextCreator\.guardsConsumer does not exist/);
});

it('each step in which enhancers are looked up can be replaced', () => {
  const parts = enhancerPartsOf(app.get(ExternalContextCreator));
  for (const name of LOOKUPS) {
    const whole = lookedUpBy(parts[name], { createContext: () => ['whole'] });
    expect(whole.create(new Gateway(), method as never, moduleKey)).toEqual(['whole']);
  }
  const asked: unknown[] = [];
  const creator = lookedUpBy(parts.guardsContextCreator, {
    getGlobalMetadata: () => [asked.push('global')],
    reflectClassMetadata: (_instance, key) => [asked.push(key)],
    createConcreteContext: (metadata) => metadata,
  });
  expect(creator.create(new Gateway(), method as never, moduleKey)).toEqual([1, 2, admit]);
  expect(asked).toEqual(['global', '__guards__']);
});

it('WsContextCreator asks createPipesFn for the parameters of a method and reflectCallbackPattern for its pattern', async () => {
  const asked: unknown[] = [];
  class Watching extends WsContextCreator {
    override createPipesFn(...args: Parameters<WsContextCreator['createPipesFn']>) {
      const [{ index, type, metatype, extractValue }] = args[1] as [(typeof args)[1][number]];
      asked.push([index, type, metatype, typeof extractValue]);
      return super.createPipesFn(...args);
    }
    override reflectCallbackPattern(callback: (...args: unknown[]) => unknown) {
      asked.push(callback.name);
      return super.reflectCallbackPattern(callback);
    }
  }
  const creator = creatorOf(Watching, new WsProxy());
  const call = creator.create(new Gateway(), plainOf('bare'), moduleKey, 'method');
  expect(asked).toEqual([[0, WsParamtype.PAYLOAD, Object, 'function'], 'bare']);
  expect(await call({}, { body: 1 })).toEqual({ body: 1 });
});

it('WsProxy is asked to put a boundary around a method, and is given its filters and its pattern', () => {
  const asked: unknown[] = [];
  class Boundary extends WsProxy {
    override create(...[target, handler, pattern]: Parameters<WsProxy['create']>) {
      asked.push(filtersOf(handler).length, pattern);
      return target;
    }
  }
  creatorOf(WsContextCreator, new Boundary()).create(new Gateway(), method as never, moduleKey, 'method');
  expect(asked).toEqual([1, 'event']);
});

/** A creator as the library makes it, without interceptors. */
function creatorOf<T>(
  Creator: new (...parts: ConstructorParameters<typeof WsContextCreator>) => T,
  boundary: WsProxy,
): T {
  const parts = enhancerPartsOf(app.get(ExternalContextCreator));
  return new Creator(
    boundary,
    new ExceptionFiltersContext(containerOf(app.get(ModuleRef))),
    parts.pipesContextCreator,
    parts.pipesConsumer,
    parts.guardsContextCreator,
    parts.guardsConsumer,
    lookedUpBy(parts.interceptorsContextCreator, { createContext: () => [] }),
    parts.interceptorsConsumer,
  );
}

/** A method without enhancers that returns its argument. */
function plainOf(name: string): (data: unknown) => unknown {
  return Object.defineProperty((data: unknown) => data, 'name', { value: name });
}

it('ExceptionFiltersContext finds the filters of a method, the closest first, and takes global ones from getGlobalMetadata', () => {
  class WithGlobals extends ExceptionFiltersContext {
    override getGlobalMetadata<T extends unknown[]>(): T {
      return [{ catch: () => 'global' }] as unknown[] as T;
    }
  }
  const handler = new WithGlobals(containerOf(app.get(ModuleRef))).create(new Gateway(), method as never, moduleKey);
  const found = filtersOf(handler).map(({ func, exceptionMetatypes }) => [func(undefined, {}), exceptionMetatypes]);
  expect(found).toEqual([
    ['type error', [TypeError]],
    ['global', []],
  ]);
});

it('the decorators of enhancers write under the keys that are read', () => {
  for (const kind of ['guards', 'interceptors', 'pipes', 'filters'] as const) {
    expect([hasEnhancers(kind, method), hasEnhancers(kind, plain)]).toEqual([true, false]);
  }
});

it('ApplicationConfig knows the global enhancers, the request-scoped ones by their token', async () => {
  const config = app.get(ApplicationConfig);
  expect(globalEnhancers(config, 'interceptors')).toEqual([intercept]);
  for (const kind of ['guards', 'pipes', 'filters'] as const) expect(globalEnhancers(config, kind)).toEqual([]);
  const { guards, ...others } = scopedGlobals(config);
  expect(others).toEqual({ interceptors: [], pipes: [], filters: [] });
  expect(guards).toHaveLength(1);
  const guard: unknown = await app.get(ModuleRef).resolve(guards[0]!.token, undefined, { strict: false });
  expect(guard).toBeInstanceOf(ScopedGuard);
});
