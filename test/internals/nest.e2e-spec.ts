/**
 * What this library knows of Nest that Nest does not promise (libs/realtime/src/nest/internals/nest.ts). It runs on both
 * majors (`npm test`, `npm run check:nest11`): a new version of Nest that changes one of them fails here, by name.
 */
import {
  ConsoleLogger,
  Controller,
  createParamDecorator,
  Get,
  Inject,
  Injectable,
  type INestApplication,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
  Scope,
} from '@nestjs/common';
import { ApplicationConfig, ContextIdFactory, HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { WebSocketsController } from '@nestjs/websockets/web-sockets-controller.js';
import {
  beforeClose,
  gatewayProviders,
  messageMethodsOf,
  moduleRefOf,
  parametersOf,
  REQUEST_CONTEXT_ID,
  required,
  rootModuleInstance,
  RoutePathFactory,
  serverPropertiesOf,
  wsArguments,
} from '../../libs/realtime/src/nest/internals/nest.js';

/** The major version of Nest that this run is for. */
const MAJOR = process.env['NEST_MAJOR'] ?? '12';

/** What ran, in order. */
const ran: string[] = [];

const Own = createParamDecorator(() => 'own');

@Injectable({ scope: Scope.REQUEST })
class PerRequest {}

@WebSocketGateway(0, { path: '/gateway' })
class Gateway {
  @WebSocketServer() server: unknown;

  @SubscribeMessage('event')
  method(@MessageBody('property') data: object, @ConnectedSocket() client: object, @Own() own: unknown) {
    return [data, client, own];
  }

  plain(): void {}
}

@WebSocketGateway(4321)
class ScopedGateway {
  constructor(@Inject(PerRequest) readonly dependency: PerRequest) {}
}

@Controller()
class Home {
  @Get('/home')
  home(): void {}
}

@Module({ providers: [Gateway, PerRequest] })
class Imported implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  isRouted = false;

  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    const { router } = this.host.httpAdapter.getInstance() as { router: { stack: { route?: { path: string } }[] } };
    this.isRouted = router.stack.some(({ route }) => route?.path === '/home');
  }

  onApplicationBootstrap(): void {
    ran.push('imported');
  }

  onModuleDestroy(): void {
    ran.push('destroyed');
  }
}

/** Sets the adapter as RealtimeModule does. */
@Module({ imports: [Imported], providers: [Gateway, ScopedGateway, PerRequest], controllers: [Home] })
class Importing implements OnApplicationBootstrap {
  readonly adapter = new WsAdapter();

  constructor(@Inject(ApplicationConfig) config: ApplicationConfig) {
    config.setIoAdapter(this.adapter);
  }

  onApplicationBootstrap(): void {
    ran.push('importing');
  }
}

let app: INestApplication;
let modules: ModulesContainer;

beforeEach(async () => {
  ran.length = 0;
  app = (await Test.createTestingModule({ imports: [Importing] }).compile()).createNestApplication({ logger: false });
  modules = app.get(ModulesContainer);
});
afterEach(() => app.close());

it('this run is on the major version of Nest that it was started for', () => {
  const major = 'createRequestScopedHandler' in WebSocketsController.prototype ? '12' : '11';
  expect(major).toBe(MAJOR);
});

it('the container knows the providers of each module, and the decorators write what gatewayProviders reads', () => {
  const found = gatewayProviders(modules);
  expect(found).toHaveLength(2);
  expect(found.find(({ metatype }) => metatype === Gateway)).toEqual({
    metatype: Gateway,
    instance: app.get(Gateway),
    moduleKey: expect.any(String),
    port: 0,
    options: { path: '/gateway' },
    scoped: undefined,
  });
  expect(found.find(({ metatype }) => metatype === ScopedGateway)).toMatchObject({
    port: 4321,
    scoped: { token: ScopedGateway, id: expect.any(String), isDurable: false },
  });
});

it('a request-scoped gateway has an instance with the methods of its class and nothing else', () => {
  const { instance } = gatewayProviders(modules).find(({ metatype }) => metatype === ScopedGateway)!;
  expect([instance instanceof ScopedGateway, Object.keys(instance)]).toEqual([true, []]);
});

it('each module has a ModuleRef among its providers', () => {
  for (const key of modules.keys()) expect(moduleRefOf(modules, key)).toBeInstanceOf(ModuleRef);
});

it('the parameters of a method are kept with the class, by type and index', () => {
  const parameters = parametersOf(app.get(Gateway), 'method')!;
  expect([...parameters].sort((one, other) => one.index - other.index)).toEqual([
    { index: 0, kind: 'body', property: 'property', isPiped: false },
    { index: 1, kind: 'connection', property: undefined, isPiped: false },
    { index: 2, kind: 'other', property: undefined, isPiped: false },
  ]);
  expect(parametersOf(app.get(Gateway), 'plain')).toBeUndefined();
});

it('GatewayMetadataExplorer finds message methods and server properties', () => {
  expect(messageMethodsOf(app.get(Gateway))).toEqual([{ event: 'event', name: 'method' }]);
  expect([...serverPropertiesOf(app.get(Gateway))]).toEqual(['server']);
});

it('the lifecycle hooks of the root module are called last, through its instance', async () => {
  Object.assign(rootModuleInstance(modules)!, { onApplicationBootstrap: () => ran.push('root module') });
  await app.init();
  expect(ran).toEqual(['imported', 'importing', 'root module']);
});

it('routes stand when onModuleInit runs', async () => {
  await app.init();
  expect(app.get(Imported).isRouted).toBe(true);
});

it('beforeClose of the platform is awaited before the shutdown hooks of any module', async () => {
  await app.init();
  ran.length = 0;
  beforeClose(app.getHttpAdapter(), async () => {
    ran.push('before');
    await new Promise(setImmediate);
    ran.push('awaited');
  });
  await app.close();
  // Nest 11 does not have this step
  expect(ran).toEqual(MAJOR === '11' ? ['destroyed'] : ['before', 'awaited', 'destroyed']);
});

it('ApplicationConfig takes an adapter from the constructor of a module, and has prefix and versioning', async () => {
  app.setGlobalPrefix('api');
  await app.init();
  const config = app.get(ApplicationConfig);
  expect(config.getIoAdapter()).toBe(app.get(Importing).adapter);
  expect([config.getGlobalPrefix(), config.getVersioning()]).toEqual(['api', undefined]);
});

it('RoutePathFactory puts the global prefix before a path', () => {
  const options = { ctrlPath: '/ws', globalPrefix: '/api' };
  expect(new RoutePathFactory(app.get(ApplicationConfig)).create(options, 0)).toEqual(['/api/ws']);
});

it('REQUEST_CONTEXT_ID is the symbol under which ContextIdFactory looks for the context of a request', () => {
  expect(typeof REQUEST_CONTEXT_ID).toBe('symbol');
  const contextId = ContextIdFactory.create();
  expect(ContextIdFactory.getByRequest({ [REQUEST_CONTEXT_ID]: contextId })).toBe(contextId);
});

it('ExecutionContextHost can be made for a message', () => {
  const host = wsArguments(['client', 'data', 'pattern']);
  const ws = host.switchToWs();
  expect([host.getType(), ws.getClient(), ws.getData(), ws.getPattern()]).toEqual(['ws', 'client', 'data', 'pattern']);
});

it('WsAdapter keeps its message parser in a member that can be read', () => {
  const adapter = new WsAdapter();
  const parser = () => undefined;
  const before: unknown = Reflect.get(adapter, 'messageParser');
  adapter.setMessageParser(parser as never);
  expect([typeof before, Reflect.get(adapter, 'messageParser')]).toEqual(['function', parser]);
});

it('a part of Nest that is missing is an error that names it and says what to do', () => {
  expect(() => required(undefined, 'ModuleRef.container')).toThrow(
    /^ModuleRef\.container does not exist in the installed version of Nest.*install a version/,
  );
});

it('a logger makes an instance of ConsoleLogger for its context, which dates each line with getTimestamp', () => {
  Logger.overrideLogger(new Logger());
  class Shown extends Logger {
    get made() {
      return [this.localInstance, this.localInstanceRef];
    }
  }
  const [instance, kept] = new Shown('Realtime').made;
  expect([instance instanceof ConsoleLogger, kept === instance]).toEqual([true, true]);
  expect(typeof (instance as unknown as { getTimestamp: unknown }).getTimestamp).toBe('function');
});
