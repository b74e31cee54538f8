/** Which gateway an upgrade goes to: the platform's own router decides how paths are parsed. */
import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CanActivate,
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestMiddleware,
  Param,
  RequestMethod,
  UseGuards,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import express from 'express';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import type { Connection, HandshakeRequest } from 'nestjs-realtime';
import { type TestApp, TestClient } from 'nestjs-realtime/testing';
import { Server as SocketServer } from 'socket.io';
import { type WebSocket, WebSocketServer } from 'ws';
import { portOf, refusalOf, startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';
import { httpRequest, Opcode, RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';

/** The parameters of the path where the request was served, else the status of the answer. */
type Seen = number | Readonly<Record<string, string>>;

async function seenByHttp(app: TestApp, target: string): Promise<Seen> {
  const raw = await RawSocket.connect(portOf(app));
  raw.send(httpRequest({ target, headers: { Connection: 'close' } }));
  const { status, body } = await raw.answer();
  return status === 200 ? JSON.parse(body) : status;
}

/** @returns the status of each target, all asked for on one connection */
async function statusesByHttp(app: TestApp, targets: readonly string[]): Promise<number[]> {
  const raw = await RawSocket.connect(portOf(app));
  const statuses: number[] = [];
  for (const target of targets) {
    raw.send(httpRequest({ target }));
    statuses.push((await raw.answer()).status);
  }
  raw.destroy();
  return statuses;
}

async function seenByUpgrade(app: TestApp, target: string): Promise<Seen> {
  const raw = await RawSocket.connect(portOf(app));
  raw.send(upgradeRequest({ target }));
  const { status } = await raw.answer();
  if (status !== 101) return status;
  const { opcode, payload } = await raw.frame();
  expect(opcode).toBe(Opcode.TEXT);
  raw.destroy();
  return JSON.parse(payload.toString());
}

const ENDS = [
  '/rooms',
  '/rooms/',
  '/rooms//',
  '//rooms',
  '/ROOMS',
  '/Rooms/',
  '/rooms?x=1',
  '/rooms/?x=1',
  '/rooms/7?x=1/2',
  '/%72ooms',
  '/room%73/7',
  '/rooms%2F',
  '/rooms%2F7',
  '/rooms%20',
  '/rooms/7',
  '/rooms/7/',
  '/rooms/7//',
  '/rooms//7',
  '/ROOMS/Ann',
  '/rooms/a%20b',
  '/rooms/a+b',
  '/rooms/%2F',
  '/rooms/a%2Fb',
  '/rooms/a%252Fb',
  '/rooms/%25',
  '/rooms/%2525',
  '/rooms/%26%3F%23',
  '/rooms/%',
  '/rooms/%zz',
  '/rooms/%E0%A4%A',
  '/rooms/%FF',
  '/rooms/caf%C3%A9',
  '/rooms/caf%c3%a9',
  '/rooms/caf\u00e9',
  '/rooms/__proto__',
  '/rooms/constructor',
  '/rooms/..',
  '/rooms/.',
  '/rooms/../rooms/7',
  '/rooms/7;a=1',
  '/rooms/a:b@c,d&e=f$g',
  '/rooms/7/members/ann',
  '/rooms/7/members/ann/',
  '/rooms/7/members/',
  '/rooms/7/members',
  '/rooms/7/MEMBERS/Ann',
  '/rooms/7/members/a%2Fb%20c',
  '/rooms/7#part',
  `/rooms/${'x'.repeat(100)}`,
  `/rooms/${'x'.repeat(101)}`,
  `/rooms/${'x'.repeat(3000)}`,
  '/files/a',
  '/files/a/b%20c/d',
  '/files/',
  '/files',
  '/nothing',
  '/',
  '',
];

/** @returns the path for the name of a test, shortened where it is very long */
function named(path: string): string {
  return path.length > 100 ? `${path.slice(0, 10)}… of ${path.length} characters` : JSON.stringify(path);
}

const ROUTERS: [name: string, make: () => AbstractHttpAdapter, wildcard: string][] = [
  ['Express', () => new ExpressAdapter(), '*path'],
  [
    'Express, strict and case-sensitive',
    () => {
      const app = express();
      app.enable('strict routing');
      app.enable('case sensitive routing');
      return new ExpressAdapter(app);
    },
    '*path',
  ],
  ['Fastify', () => new FastifyAdapter(), '*'],
  [
    'Fastify, neither strict nor case-sensitive',
    () =>
      new FastifyAdapter({
        routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
      }),
    '*',
  ],
];

describe.each(ROUTERS)('The paths of gateways on %s', (_name, make, wildcard) => {
  const shapes = ['rooms', 'rooms/:id', 'rooms/:id/members/:member'];
  let app: TestApp;

  beforeAll(async () => {
    @Controller('http')
    class Routes {
      @Get([...shapes, `files/${wildcard}`])
      params(@Param() params: object) {
        return params;
      }
    }
    @WebSocketGateway({ path: [...shapes, 'files/*path'].map((shape) => `/wsws/${shape}`) } as never)
    class Gateway {
      onOpen(connection: Connection, request: HandshakeRequest) {
        expect(request.params).toEqual(connection.params);
        connection.send(JSON.stringify(connection.params));
      }
    }
    app = await startApp(make(), {
      controllers: [Routes],
      providers: [Gateway],
      options: { maxFailedHandshakes: 0 },
    });
  });
  afterAll(() => app.close());

  it.each(ENDS.map((end) => [named(end), end]))(
    'reads the path %s as the router of controllers does',
    async (_, end) => {
      const upgrade = await seenByUpgrade(app, `/wsws${end}`);
      const route = await seenByHttp(app, `/http${end}`);
      expect(comparable(upgrade)).toEqual(comparable(route));
    },
  );

  /** A wildcard has a name on Express only; there its segments are a list. */
  function comparable(seen: Seen): Seen {
    if (typeof seen === 'number') return seen;
    const entries = Object.entries(seen).map(([name, value]) => [
      name === '*' ? 'path' : name,
      [value].flat().join('/'),
    ]);
    return Object.fromEntries(entries);
  }
});

/** Spellings of `/ws` and of `/rooms/7` that one parser might take for the path and another might not. */
const SPELLINGS = ['/ws', '/rooms/7'].flatMap((path) => [
  path,
  `${path}/`,
  `${path}//`,
  `/${path}`,
  path.toUpperCase(),
  `${path}?x=/ws`,
  `${path}#x`,
  `${path};x=1`,
  `${path}%20`,
  `${path}%00`,
  `${path}%2f`,
  `${path}/.`,
  `/x/..${path}`,
  `/x/%2e%2e${path}`,
  `/.${path}`,
  path.replace('s', '%73'),
  path.replace('s', '%2573'),
  path.replace('/', '%2f'),
  path.replace('/', '/%2f'),
  path.replace('/', '\\'),
  `http://evil.example${path}`,
  `//evil.example${path}`,
]);

describe.each(ROUTERS)('Middleware on the path of a gateway on %s', (_name, make) => {
  @Injectable()
  class Authenticate implements NestMiddleware {
    use(request: IncomingMessage, response: ServerResponse, next: () => void) {
      if (request.headers['x-key'] === 'right') return next();
      response.statusCode = 401;
      response.end('not without a key');
    }
  }
  class Opens {
    onOpen(connection: Connection) {
      connection.send('{}');
    }
  }
  @WebSocketGateway({ path: '/ws' })
  class Gateway extends Opens {}
  @WebSocketGateway({ path: '/rooms/:id' })
  class Rooms extends Opens {}
  @Module({ providers: [Authenticate, Gateway, Rooms] })
  class Feature {
    configure(consumer: MiddlewareConsumer) {
      consumer.apply(Authenticate).forRoutes('ws', 'rooms/:id');
    }
  }

  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(make(), { imports: [Feature], options: { maxFailedHandshakes: 0 } });
  });
  afterAll(() => app.close());

  it.each(SPELLINGS)('runs the middleware of a path, or refuses, for the spelling %s', async (target) => {
    const status = await seenByUpgrade(app, target);
    expect([400, 401, 404]).toContain(status);
  });

  it('admits a client with the right key past the middleware of its path', async () => {
    for (const path of ['/ws', '/rooms/7']) await (await app.connect(path, { headers: { 'x-key': 'right' } })).next();
  });
});

describe.each(PLATFORMS)('The paths of gateways on $platform', ({ adapter }) => {
  let app: TestApp;
  afterEach(() => app.close());

  class SendsPath {
    onOpen(connection: Connection) {
      connection.send(JSON.stringify({ path: connection.path }));
    }
  }
  const gatewayOn = (path: string | string[], options: object = {}) => {
    @WebSocketGateway({ path, ...options } as never)
    class Gateway extends SendsPath {}
    return Gateway;
  };
  const pathSeen = async (path: string): Promise<unknown> =>
    JSON.parse((await (await app.connect(path)).next()) as string);

  it('serves a gateway on each of its paths', async () => {
    app = await startApp(adapter(), { providers: [gatewayOn(['/one', 'two', '/three/:id'])] });
    expect(await pathSeen('/one')).toEqual({ path: '/one' });
    expect(await pathSeen('/two')).toEqual({ path: '/two' });
    expect(await pathSeen('/three/3')).toEqual({ path: '/three/:id' });
    expect(await refusalOf(app.connect('/four'))).toMatchObject({ status: 404 });
  });

  it('chooses between overlapping paths as between routes of controllers', async () => {
    const paths = ['/w/*rest', '/w/:id', '/w/lobby', '/w/:id/edit', '/w/lobby/:what'];
    const targets = ['/w/lobby', '/w/7', '/w/a/b/c', '/w/lobby/edit', '/w/7/edit'];
    @Controller()
    class Routes {}
    for (const path of paths) {
      const tell = () => ({ path });
      Object.defineProperty(Routes.prototype, path, { value: tell });
      // The one spelling of a wildcard that controllers accept on both platforms
      Get(`c${path.replace('*rest', '*')}`)(Routes.prototype, path, { value: tell } as never);
    }
    app = await startApp(adapter(), { controllers: [Routes], providers: paths.map((path) => gatewayOn(path)) });
    for (const target of targets) {
      const expected: unknown = await (await fetch(`${app.url}/c${target}`)).json();
      expect([target, await pathSeen(target)]).toEqual([target, expected]);
    }
  });

  it('fails at boot for a path that cannot be parsed', async () => {
    const boot = startApp(adapter(), { providers: [gatewayOn('/rooms/(')] });
    await expect(boot).rejects.toThrow('The path /rooms/( of a gateway cannot be read');
    app = await startApp(adapter(), {});
  });

  const controllerOn = (path: string, version?: string | string[] | typeof VERSION_NEUTRAL) => {
    @Controller({ path, version: version as string })
    class Routes {
      @Get()
      get() {
        return {};
      }
    }
    return Routes;
  };

  const VERSIONS = [undefined, '2', ['3', '4'], VERSION_NEUTRAL, ['5', VERSION_NEUTRAL]] as const;
  const SETTINGS: [name: string, configure: (app: INestApplication) => void][] = [
    ['neither prefix nor versioning', () => {}],
    ['a global prefix', (nest) => void nest.setGlobalPrefix('api')],
    ['a global prefix of two parts', (nest) => void nest.setGlobalPrefix('/api/public/')],
    ['URI versioning', (nest) => void nest.enableVersioning({ type: VersioningType.URI })],
    [
      'URI versioning with a default and a global prefix',
      (nest) => {
        nest.setGlobalPrefix('api');
        nest.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      },
    ],
    [
      'URI versioning with several defaults and a prefix of its own',
      (nest) =>
        void nest.enableVersioning({ type: VersioningType.URI, defaultVersion: ['1', '9'], prefix: 'version-' }),
    ],
    [
      'URI versioning and a global prefix that does not hold for some',
      (nest) => {
        nest.setGlobalPrefix('api', { exclude: ['ws2', 'http2', { path: 'ws1', method: RequestMethod.POST }] });
        nest.enableVersioning({ type: VersioningType.URI });
      },
    ],
  ];

  it.each(SETTINGS)('serves gateways under the paths of controllers with %s', async (_name, configure) => {
    app = await startApp(adapter(), {
      controllers: VERSIONS.map((version, index) => controllerOn(`http${index}`, version as string)),
      providers: VERSIONS.map((version, index) => gatewayOn(`ws${index}`, { version })),
      options: { maxFailedHandshakes: 0 },
      configure,
    });
    const prefixes = ['', '/api', '/api/public'];
    const versions = ['', ...['1', '2', '3', '4', '5', '9'].flatMap((number) => [`/v${number}`, `/version-${number}`])];
    const places = prefixes.flatMap((prefix) => versions.map((version) => prefix + version));
    const indices = [...VERSIONS.keys()];
    const found = await Promise.all(
      places.map(async (place) => {
        const routes = await statusesByHttp(
          app,
          indices.map((index) => `${place}/http${index}`),
        );
        const gateways: Seen[] = [];
        for (const index of indices) gateways.push(await seenByUpgrade(app, `${place}/ws${index}`));
        const areRoutes = routes.map((status) => status !== 404);
        expect([place, gateways.map((seen) => seen !== 404)]).toEqual([place, areRoutes]);
        return areRoutes.includes(true);
      }),
    );
    expect(found).toContain(true);
  });

  it('ignores the version of a gateway unless versions are part of the URI', async () => {
    app = await startApp(adapter(), {
      providers: [gatewayOn('ws', { version: '2' })],
      configure: (nest) => void nest.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }),
    });
    expect(await pathSeen('/ws')).toEqual({ path: '/ws' });
  });
});

/** Another library that listens to the upgrades of the same HTTP server, with a client of its own. */
interface Neighbour {
  attach(server: Server): (() => unknown) | Promise<() => unknown>;
  /** Connects and speaks; throws when that does not work. */
  visit(url: string): Promise<void>;
}

async function speak(url: string, protocols: string[], ...turns: [say: object | string | undefined, hear: RegExp][]) {
  const client = await TestClient.connect(url, { protocols });
  for (const [say, hear] of turns) {
    if (say !== undefined) client.send(say);
    expect(await client.next()).toMatch(hear);
  }
  client.vanish();
}

/** A server of `ws` on a path, attached in the way that leaves other paths alone. */
function attachWs(server: Server, path: string, connected: (client: WebSocket) => void): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, stream, head) => {
    if (request.url?.split('?')[0] !== path) return;
    sockets.handleUpgrade(request, stream, head, (client) => {
      sockets.emit('connection', client, request);
      connected(client);
    });
  });
  return sockets;
}

async function attachNest(listensTo: object): Promise<() => unknown> {
  @WebSocketGateway({ path: '/nest' })
  class NestGateway {
    @SubscribeMessage('double')
    double(@MessageBody() text: string) {
      return { event: 'doubled', data: text + text };
    }
  }
  const second = (await Test.createTestingModule({ providers: [NestGateway] }).compile()).createNestApplication();
  second.useLogger(false);
  second.useWebSocketAdapter(new WsAdapter(listensTo as never));
  await second.init();
  return () => second.close();
}

const WS_ADAPTER_ALONE: Neighbour = {
  attach: attachNest,
  visit: (url) => speak(`${url}/nest`, [], [{ event: 'double', data: 'ab' }, /"doubled","data":"abab"/]),
};

const NEIGHBOURS: Record<string, Neighbour> = {
  "Nest's WsAdapter of a second application": {
    // It destroys upgrades that it does not know, so that an application with more listeners gives it its own alone
    attach(server) {
      const own = new EventEmitter();
      server.on('upgrade', (request: IncomingMessage, ...rest: unknown[]) => {
        if (request.url?.startsWith('/nest')) own.emit('upgrade', request, ...rest);
      });
      return attachNest(own);
    },
    visit: (url) => WS_ADAPTER_ALONE.visit(url),
  },
  'Socket.IO': {
    attach(server) {
      const io = new SocketServer(server, { destroyUpgradeTimeout: IMPATIENCE_MS });
      io.on('connection', (socket) => socket.on('double', (text: string) => socket.emit('doubled', text + text)));
      return () => io.disconnectSockets(true);
    },
    visit: (url) =>
      speak(
        `${url}/socket.io/?EIO=4&transport=websocket`,
        [],
        [undefined, /^0\{"sid"/],
        ['40', /^40\{"sid"/],
        ['42["double","ab"]', /^42\["doubled","abab"\]/],
      ),
  },
  'graphql-ws': {
    attach(server) {
      const Query = new GraphQLObjectType({
        name: 'Query',
        fields: { hello: { type: GraphQLString, resolve: () => 'world' } },
      });
      const sockets = attachWs(server, '/graphql', () => {});
      const served = useServer({ schema: new GraphQLSchema({ query: Query }) }, sockets);
      return () => served.dispose();
    },
    visit: (url) =>
      speak(
        `${url}/graphql`,
        ['graphql-transport-ws'],
        [{ type: 'connection_init' }, /connection_ack/],
        [{ id: '1', type: 'subscribe', payload: { query: '{ hello }' } }, /"hello":"world"/],
      ),
  },
  "a dev server's hot reload": {
    attach(server) {
      const sockets = attachWs(server, '/_next/webpack-hmr', (client) => client.send('{"action":"built"}'));
      return () => sockets.clients.forEach((client) => client.terminate());
    },
    visit: (url) => speak(`${url}/_next/webpack-hmr?id=1`, [], [undefined, /"built"/]),
  },
};

/** When Socket.IO cuts an upgrade that is not answered, and how long our guard takes. */
const IMPATIENCE_MS = 25;
const GUARD_MS = 75;

@Injectable()
class SlowGuard implements CanActivate {
  async canActivate() {
    await sleep(GUARD_MS);
    return true;
  }
}

@UseGuards(SlowGuard)
@WebSocketGateway({ path: '/slow' })
class SlowGateway {
  onOpen(connection: Connection) {
    connection.send('at last');
  }
}

describe.each(PLATFORMS)('Other listeners to upgrades on $platform', ({ adapter }) => {
  let app: TestApp;
  let detaching: (() => unknown)[];
  const socketUrl = () => app.url.replace('http', 'ws');
  const serverOf = (nest: INestApplication) => nest.getHttpServer() as Server;

  beforeEach(() => (detaching = []));
  afterEach(async () => {
    for (const detach of detaching) await detach();
    await app.close();
  });

  const attach = async (server: Server, neighbours: Iterable<Neighbour>) => {
    for (const neighbour of neighbours) detaching.push(await neighbour.attach(server));
  };
  const configure = (neighbours: Iterable<Neighbour>) => (nest: INestApplication) => attach(serverOf(nest), neighbours);
  const all = Object.values(NEIGHBOURS);

  it.each([
    ['before ours', all, []],
    ['after ours', [], all],
    ['before and after ours', all.slice(0, 2), all.slice(2)],
    ['after and before ours', all.slice(2), all.slice(0, 2)],
  ])('shares a port with listeners that were added %s, and lets a slow guard finish', async (_order, before, after) => {
    app = await startApp(adapter(), { providers: [SlowGateway], configure: configure(before) });
    await attach(serverOf(app.app), after);
    const startedAt = performance.now();
    await speak(`${socketUrl()}/slow`, [], [undefined, /at last/]);
    expect(performance.now() - startedAt).toBeGreaterThan(IMPATIENCE_MS * 2);
    for (const neighbour of all) await neighbour.visit(socketUrl());
  });

  it.each([
    ['before ours', true],
    ['after ours', false],
  ])('shares a port with a listener, added %s, that destroys upgrades it does not know', async (_order, isBefore) => {
    const neighbours = [WS_ADAPTER_ALONE];
    app = await startApp(adapter(), { providers: [SlowGateway], configure: configure(isBefore ? neighbours : []) });
    await attach(serverOf(app.app), isBefore ? [] : neighbours);
    await WS_ADAPTER_ALONE.visit(socketUrl());
    await speak(`${socketUrl()}/slow`, [], [undefined, /at last/]);
  });

  it('leaves an unknown path to the other listeners', async () => {
    app = await startApp(adapter(), { providers: [SlowGateway], configure: configure([NEIGHBOURS['Socket.IO']!]) });
    const raw = await RawSocket.connect(portOf(app));
    raw.send(upgradeRequest({ target: '/unknown' }));
    expect(await raw.ended()).toHaveLength(0);
  });

  it('answers 404 on an unknown path when there are no other listeners', async () => {
    app = await startApp(adapter(), { providers: [SlowGateway] });
    expect(await refusalOf(app.connect('/unknown'))).toMatchObject({
      status: 404,
      headers: { connection: 'close' },
      body: '{"statusCode":404,"message":"No gateway has this path"}',
    });
  });

  it('restores the server and its listeners when the application closes', async () => {
    const stateOf = (server: Server) => ({
      emit: server.emit,
      hasOwnEmit: Object.hasOwn(server, 'emit'),
      listeners: ['upgrade', 'connection', 'request', 'clientError', 'close'].map((name) => server.listenerCount(name)),
    });
    let before: object = {};
    app = await startApp(adapter(), {
      providers: [SlowGateway],
      configure: async (nest) => {
        await nest.getHttpAdapter().init?.();
        before = stateOf(serverOf(nest));
      },
    });
    const server = serverOf(app.app);
    expect(stateOf(server)).not.toEqual(before);
    await app.close();
    expect(stateOf(server)).toEqual(before);
  });
});
