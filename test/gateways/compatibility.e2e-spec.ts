/**
 * Gateways that were written for Nest's WsAdapter: the same classes and the same clients on both. A client receives the
 * same frames from both, or docs/gateways.md lists the difference.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { type CanActivate, Catch, type ExecutionContext, Injectable, Module, Scope } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { type Refusal, type TestApp, TestClient } from 'nestjs-realtime/testing';
import {
  type AdapterName,
  ADAPTERS,
  type AppOptions,
  ask,
  bootOn,
  connectTo,
  framesUntil,
} from '../support/apps/both-adapters.js';
import { offer } from '../support/clients/handshake.js';
import { Classic, type Client, Marker } from '../support/apps/classic-gateways.js';
import { Enhanced } from '../support/apps/enhanced-gateway.js';
import {
  Lifecycle,
  lifecycle,
  Other,
  SharedOne,
  SharedTwo,
  Streaming,
  ticking,
  Verified,
  VerifiedLater,
} from '../support/apps/path-gateways.js';
import { until, untilConnections, within } from '../support/process-guard.js';

type Metadata = Parameters<typeof bootOn>[1];

/** WsAdapter of Nest 11 answers otherwise (its filters reach no client of ws): there only our side is tested. */
const isCompared = process.env['NEST_MAJOR'] !== '11';

/** The application of most tests, once on each adapter. */
const shared: Partial<Record<AdapterName, TestApp>> = {};
const opened: TestApp[] = [];
const clients: TestClient[] = [];

beforeAll(async () => {
  const providers = [Classic, Enhanced, SharedOne, SharedTwo, Verified, VerifiedLater, Streaming, Other];
  const realtime = { maxConnectionRatePerAddress: 0 };
  for (const name of isCompared ? ADAPTERS : (['ours'] as const))
    shared[name] = await bootOn(name, { providers }, { realtime });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.vanish();
  for (const app of opened.splice(0)) await app.close();
  for (const app of Object.values(shared)) await untilConnections(app.app.getHttpServer() as Server, 0);
});

afterAll(async () => {
  for (const app of Object.values(shared)) await app.close();
});

async function boot(name: AdapterName, metadata: Metadata, options?: AppOptions): Promise<TestApp> {
  const app = await bootOn(name, metadata, options);
  opened.push(app);
  return app;
}

/** Connects to the shared application; the client leaves after the test. */
async function join(name: AdapterName, path = '/', headers?: Record<string, string>): Promise<TestClient> {
  const client = await connectTo(shared[name]!, path, headers);
  clients.push(client);
  return client;
}

/** Runs one script against both and returns both results. */
async function onBoth<T>(script: (name: AdapterName) => Promise<T>): Promise<{ theirs?: T; ours: T }> {
  const theirs = isCompared ? await script('WsAdapter') : undefined;
  return { theirs, ours: await script('ours') };
}

/** Expects a script to return the same from both. */
async function expectSame<T>(expected: T, script: (name: AdapterName) => Promise<T>): Promise<void> {
  const { theirs, ours } = await onBoth(script);
  if (isCompared) expect(theirs).toEqual(expected);
  expect(ours).toEqual(expected);
}

/** Asks the shared application. */
const asking =
  (path: string, ...messages: Parameters<typeof ask>[1][]) =>
  async (name: AdapterName) =>
    ask(await join(name, path), ...messages);

/** Asks an application of its own. */
const askingNew =
  (providers: Metadata['providers'], path: string, ...messages: Parameters<typeof ask>[1][]) =>
  async (name: AdapterName) =>
    ask(await connectTo(await boot(name, { providers }), path), ...messages);

describe('A gateway that was written for WsAdapter', () => {
  const exceptionOf = (message: string, pattern: unknown, data?: unknown) => ({
    event: 'exception',
    data: { status: 'error', message, cause: data === undefined ? { pattern } : { pattern, data } },
  });

  it.each<[string, unknown[]]>([
    ['{"event":"echo","data":{"deep":[1,null,"ü"]}}', [{ event: 'echo', data: { deep: [1, null, 'ü'] } }]],
    ['{"event":"echo"}', [{ event: 'echo' }]],
    ['{"event":"echo","data":null}', [{ event: 'echo', data: null }]],
    ['{"event":"property","data":{"name":"ann"}}', [{ event: 'property', data: 'ann function 1' }]],
    ['{"event":"property","data":null}', [{ event: 'property', data: 'undefined function 1' }]],
    ['{"event":"bare","data":7}', [{ event: 'bare', data: 7, rest: [] }]],
    ['{"event":"promise","data":1}', [{ event: 'promise', data: 2 }]],
    ['{"event":"observable"}', [1, 2, 3].map((data) => ({ event: 'observable', data }))],
    ['{"event":"late observable"}', [1, 2, 3].map((data) => ({ event: 'observable', data }))],
    [
      '{"event":"midway"}',
      [...[1, 2, 3].map((data) => ({ event: 'observable', data })), exceptionOf('midway', 'midway')],
    ],
    ['{"event":"everyone"}', [{ event: 'everyone' }, { event: 'size', data: 1 }]],
    ['{"event":"value","data":0}', [0]],
    ['{"event":"value","data":false}', [false]],
    ['{"event":"value","data":""}', ['']],
    ['{"event":"value","data":"text"}', ['text']],
    ['{"event":"value","data":[1,2]}', [[1, 2]]],
    ['{"event":"value","data":{"no":"event"}}', [{ no: 'event' }]],
    ['{"event":"value","data":null}', []],
    ['{"event":"value"}', []],
    ['{"event":"binary"}', [[1, 2, 3]]],
    ['{"event":1,"data":"in"}', [{ event: 'opcode', data: 'in' }]],
    ['{"event":"fails","data":"text"}', [exceptionOf('told', 'fails', 'text')]],
    ['{"event":"fails","data":"object"}', [{ event: 'exception', data: { my: 'shape' } }]],
    ['{"event":"rejects"}', [exceptionOf('later', 'rejects')]],
  ])('answers %s with the frames of WsAdapter', async (message, frames) => {
    await expectSame(frames, asking('/', message));
  });

  it('accepts an envelope in a binary frame', async () => {
    const message = Buffer.from('{"event":"echo","data":1}');
    await expectSame<unknown[]>([{ event: 'echo', data: 1 }], asking('/', message));
  });

  it.each<[object, unknown[]]>([
    [{ event: 'guarded' }, [exceptionOf('Forbidden resource', 'guarded')]],
    [{ event: 'guarded', data: { letMeIn: true } }, [{ event: 'guarded', data: 'let in' }]],
    [{ event: 'piped', data: 21 }, [{ event: 'piped', data: 42 }]],
    [{ event: 'piped', data: 'x' }, [exceptionOf('not a number', 'piped', 'x')]],
    [{ event: 'piped parameter', data: 4 }, [{ event: 'piped parameter', data: 8 }]],
    [{ event: 'intercepted', data: 1 }, [{ event: 'intercepted', data: ['ws', 'intercepted', 1] }]],
    [
      { event: 'intercepted observable' },
      [1, 2].map((data) => ({ event: 'item', data: ['ws', 'interceptedObservable', data] })),
    ],
    [{ event: 'filtered' }, [{ event: 'told', data: ['filtered', 'oh'] }]],
    [
      { event: 'filtered midway' },
      [
        { event: 'item', data: 1 },
        { event: 'told', data: ['filtered midway', 'midway'] },
      ],
    ],
    [{ event: 'base filter' }, [{ event: 'exception', data: { status: 'error', message: 'no cause' } }]],
  ])('runs the guards, pipes, interceptors and filters of a method for %j', async (message, frames) => {
    await expectSame(frames, asking('/enhanced', message));
  });

  it('runs global guards for each message in the ws context', async () => {
    const contexts: string[] = [];
    @Injectable()
    class Global implements CanActivate {
      canActivate(context: ExecutionContext) {
        contexts.push(`${context.getType()} ${context.getHandler().name}`);
        return context.switchToWs().getPattern() !== 'echo';
      }
    }
    const providers = [Classic, { provide: APP_GUARD, useClass: Global }];
    await expectSame([exceptionOf('Forbidden resource', 'echo')], askingNew(providers, '/', { event: 'echo' }));
    expect(contexts.filter((context) => context === 'ws echo')).toHaveLength(isCompared ? 2 : 1);
    expect(contexts.filter((context) => !context.startsWith('ws '))).toEqual([]);
  });

  it('calls handleConnection with the request and handleDisconnect with the close code, once per client', async () => {
    const expected = ['init true', 'connection 1 /lifecycle?x=1 ann', 'disconnect 3 4000'];
    await expectSame(expected, async (name) => {
      lifecycle.length = 0;
      const app = await boot(name, { providers: [Lifecycle] });
      const client = await connectTo(app, '/lifecycle?x=1', { 'x-name': 'ann' });
      await ask(client);
      await client.close(4000);
      await until(
        'the end',
        () => lifecycle,
        ({ length }) => length >= 3,
      );
      return [...lifecycle];
    });
  });

  it('lets a gateway close a client with a code and a reason, and terminate another one', async () => {
    await expectSame(
      [
        { code: 4321, reason: 'you asked' },
        { code: 1006, reason: '' },
      ],
      async (name) => {
        const [leaving, cut] = [await join(name), await join(name)];
        leaving.send({ event: 'leave' });
        cut.send({ event: 'cut' });
        return Promise.all([leaving.closed(), cut.closed()]);
      },
    );
  });

  it('calls both gateways of a path for an event that both subscribe to', async () => {
    // WsAdapter does not promise which of the two is called first
    const expected = ['both one', 'both two', 'one undefined', 'two undefined'];
    const messages = [{ event: 'one' }, { event: 'two' }, { event: 'both' }];
    await expectSame(expected, async (name) => {
      const frames = await asking('/shared', ...messages)(name);
      return (frames as { event: string; data?: string }[]).map(({ event, data }) => `${event} ${data}`).sort();
    });
  });

  it('serves gateways of several modules on their own paths', async () => {
    @Module({ providers: [Classic] })
    class First {}
    @Module({ providers: [SharedOne], imports: [First] })
    class Second {}
    await expectSame<unknown[]>([[{ event: 'echo' }], [{ event: 'one' }]], async (name) => {
      const app = await boot(name, { imports: [Second, First] });
      const at = async (path: string, event: string) => ask(await connectTo(app, path), { event });
      return [await at('/', 'echo'), await at('/shared', 'one')];
    });
  });

  it('uses the message parser of the application, and sends nothing where it returns nothing', async () => {
    const messageParser = (data: unknown) => {
      const [event, value] = JSON.parse(String(data)) as [string, unknown];
      return event === 'ignore' ? undefined : { event, data: value };
    };
    await expectSame<unknown[]>([{ event: 'echo', data: 5 }], async (name) => {
      const app = await boot(name, { providers: [Classic] }, { messageParser: messageParser as never });
      const client = await connectTo(app);
      client.send('["ignore"]');
      client.send('["echo",5]');
      client.send('["marker",1]');
      return framesUntil(client, 1);
    });
  });

  it.each([
    ['/verified', 401, undefined],
    ['/verified-later', 418, 'tea'],
  ])('asks verifyClient of the gateway at %s', async (path, status, why) => {
    const expected = { status, why, frames: [{ event: 'marker', data: 'in' }] };
    await expectSame(expected, async (name) => {
      const refusal = (await join(name, path, { 'x-name': 'bob' }).catch((error: unknown) => error)) as Refusal;
      const ann = await join(name, path, { 'x-name': 'ann' });
      ann.send({ event: 'marker', data: 'in' });
      const frame: unknown = JSON.parse((await ann.next()) as string);
      return { status: refusal.status, why: refusal.headers['x-why'] as string | undefined, frames: [frame] as never };
    });
  });

  it('ends the Observables of a client that disconnects', async () => {
    await expectSame(['2 run', '0 run'], async (name) => {
      const client = await join(name, '/streams');
      client.send({ event: 'ticks' });
      client.send({ event: 'ticks' });
      await client.next();
      const first = await until(
        'two tickers',
        () => ticking.count,
        (count) => count === 2,
      );
      client.vanish();
      const then = await until(
        'their end',
        () => ticking.count,
        (count) => count === 0,
      );
      return [`${first} run`, `${then} run`];
    });
  });

  it('answers the next message while the Observable of a @Stream() method continues', async () => {
    const three = [0, 1, 2].map((data) => ({ event: 'three', data }));
    await expectSame<unknown>([{ event: 'marker', data: 'between' }, ...three], async (name) => {
      const client = await join(name, '/streams');
      client.send({ event: 'three' });
      client.send({ event: 'marker', data: 'between' });
      const frames: unknown[] = [];
      while (frames.length < 4) frames.push(JSON.parse((await client.next()) as string));
      return frames;
    });
  });

  it('listens on the port that the gateway names', async () => {
    const port = await freePort();
    await expectSame<unknown[]>([{ event: 'marker', data: 'own port' }], async (name) => {
      @WebSocketGateway(port, { path: '/own' })
      class OwnPort extends Marker {}
      const app = await boot(name, { providers: [OwnPort, Classic] });
      const client = await TestClient.connect(`ws://127.0.0.1:${port}/own`);
      client.send({ event: 'marker', data: 'own port' });
      const frame: unknown = JSON.parse((await client.next()) as string);
      await ask(await connectTo(app));
      await client.close();
      await app.close();
      return [frame];
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One difference: what a script sees on each of the two, and the name under which docs/gateways.md lists it. */
interface Difference {
  readonly name: string;
  readonly theirs: unknown;
  readonly ours: unknown;
  readonly script: (name: AdapterName) => Promise<unknown>;
}

const other = (...messages: Parameters<typeof ask>[1][]) => asking('/other', ...messages);

const refusalOf = async (connecting: Promise<TestClient>) =>
  connecting.then(
    () => 'connected',
    (error: Partial<Refusal> & Error) => error.status ?? 'no answer',
  );

const exception = (data: object) => ({
  event: 'exception',
  data: expect.objectContaining({ status: 'error', ...data }),
});

const DIFFERENCES: readonly Difference[] = [
  {
    name: 'order',
    theirs: [
      { event: 'slow', data: 1 },
      { event: 'slow', data: 40 },
    ],
    ours: [
      { event: 'slow', data: 40 },
      { event: 'slow', data: 1 },
    ],
    script: async (name) => {
      const client = await join(name, '/other');
      client.send({ event: 'slow', data: 40 });
      client.send({ event: 'slow', data: 1 });
      return [JSON.parse((await client.next()) as string), JSON.parse((await client.next()) as string)];
    },
  },
  {
    name: 'observables',
    theirs: [
      { event: 'marker', data: 1 },
      { event: 'item', data: 0 },
      { event: 'item', data: 1 },
    ],
    ours: [
      { event: 'item', data: 0 },
      { event: 'item', data: 1 },
      { event: 'marker', data: 1 },
    ],
    script: async (name) => {
      const client = await join(name, '/other');
      client.send({ event: 'slow items' });
      client.send({ event: 'marker', data: 1 });
      const frames: unknown[] = [];
      while (frames.length < 3) frames.push(JSON.parse((await client.next()) as string));
      return frames;
    },
  },
  {
    name: 'async-generators',
    theirs: [{}],
    ours: [
      { event: 'generator', data: 1 },
      { event: 'generator', data: 2 },
    ],
    script: other({ event: 'generator' }),
  },
  {
    name: 'connection-awaited',
    theirs: [{ event: 'ready', data: false }],
    ours: [{ event: 'ready', data: true }],
    script: other({ event: 'ready' }),
  },
  {
    name: 'unknown-event',
    theirs: [],
    ours: [exception({ code: 'unknown_event' })],
    script: other({ event: 'nobody' }),
  },
  {
    name: 'bad-envelope',
    theirs: [],
    ours: ['no json', '[1]', '{"event":true}'].map(() => exception({ code: 'bad_envelope' })),
    script: other('no json', '[1]', '{"event":true}'),
  },
  {
    name: 'http-exception',
    theirs: [exception({ message: 'Internal server error' })],
    ours: [exception({ code: 'http_exception', statusCode: 400, message: ['name must be a string'] })],
    script: other({ event: 'http' }),
  },
  {
    name: 'unexpected-error',
    theirs: [
      {
        event: 'exception',
        data: { status: 'error', message: 'Internal server error', cause: { pattern: 'crashes', data: 1 } },
      },
    ],
    ours: [
      {
        event: 'exception',
        data: {
          status: 'error',
          code: 'internal',
          message: 'Internal server error',
          cause: { pattern: 'crashes', data: 1 },
        },
      },
    ],
    script: other({ event: 'crashes', data: 1 }),
  },
  {
    name: 'long-cause',
    theirs: [exception({ cause: { pattern: 'refused', data: 'x'.repeat(5000) } })],
    ours: [exception({ cause: { pattern: 'refused' } })],
    script: other({ event: 'refused', data: 'x'.repeat(5000) }),
  },
  {
    name: 'id',
    theirs: ['a', { event: 'marker', data: 'b' }],
    ours: [
      { event: 'value', data: 'a', id: 1 },
      { event: 'marker', data: 'b', id: 'two' },
    ],
    script: asking('/', { event: 'value', data: 'a', id: 1 }, { event: 'marker', data: 'b', id: 'two' }),
  },
  {
    name: 'parameters',
    theirs: [{ event: 'mixed', data: ['undefined', 1] }],
    ours: [{ event: 'mixed', data: ['function', 1] }],
    script: other({ event: 'mixed', data: 1 }),
  },
  {
    name: 'raw-events',
    theirs: [{ event: 'events', data: 'listening' }],
    ours: [exception({ code: 'internal' })],
    script: other({ event: 'events' }),
  },
  {
    name: 'server',
    theirs: 'WebSocketServer',
    ours: 'RealtimeServer',
    script: async (name) => {
      let kind = '';
      @WebSocketGateway()
      class Asking {
        afterInit(server: object) {
          kind = server.constructor.name;
        }
      }
      await boot(name, { providers: [Asking] });
      return kind;
    },
  },
  {
    name: 'several-modules',
    theirs: ['first', 'first', 'first'].map((data) => ({ event: 'marker', data })),
    ours: [{ event: 'marker', data: 'first' }],
    script: async (name) => {
      const modules = [1, 2, 3].map(() => {
        @Module({ providers: [Other] })
        class Providing {}
        return Providing;
      });
      const client = await connectTo(await boot(name, { imports: modules }), '/other');
      client.send({ event: 'marker', data: 'first' });
      client.send({ event: 'marker', data: 'last' });
      return framesUntil(client, 'last').then((frames) =>
        frames.filter((frame) => (frame as { data: unknown }).data === 'first'),
      );
    },
  },
  {
    name: 'global-filters',
    theirs: [exception({ message: 'too long' })],
    ours: [{ event: 'global', data: 'too long' }],
    script: (name) => {
      @Catch()
      class Global {
        catch(error: Error, host: { switchToWs(): { getClient(): Client } }) {
          host
            .switchToWs()
            .getClient()
            .send(JSON.stringify({ event: 'global', data: error.message }));
        }
      }
      return askingNew([Other, { provide: APP_FILTER, useClass: Global }], '/other', { event: 'refused' })(name);
    },
  },
  {
    name: 'request-scoped-globals',
    theirs: [{ event: 'echo' }],
    ours: [exception({ message: 'Forbidden resource' })],
    script: (name) => {
      @Injectable({ scope: Scope.REQUEST })
      class Global implements CanActivate {
        canActivate(context: ExecutionContext) {
          return context.switchToWs().getPattern() === 'marker';
        }
      }
      const guard = { provide: APP_GUARD, useClass: Global, scope: Scope.REQUEST };
      return askingNew([Classic, guard], '/', { event: 'echo' })(name);
    },
  },
  {
    name: 'ws-options',
    theirs: 1009,
    ours: { event: 'marker', data: 'longer than ten bytes' },
    script: async (name) => {
      @WebSocketGateway({ path: '/options', maxPayload: 10 } as object)
      class Limited extends Marker {}
      const client = await connectTo(await boot(name, { providers: [Limited] }), '/options');
      client.send({ event: 'marker', data: 'longer than ten bytes' });
      return client.next().then(
        (frame) => JSON.parse(frame as string) as unknown,
        async () => (await client.closed()).code,
      );
    },
  },
  {
    name: 'bounds',
    theirs: 'all are answered',
    ours: 'rate_limit',
    script: async (name) => {
      const client = await join(name, '/other');
      const last = 2999;
      for (let number = 0; number <= last; number++) client.send({ event: 'mixed', data: number });
      for (;;) {
        const { event, data } = JSON.parse((await client.next()) as string) as { event: string; data: unknown };
        if (event === 'exception') return (data as { code: string }).code;
        if ((data as unknown[])[1] === last) return 'all are answered';
      }
    },
  },
  {
    name: 'subprotocols',
    theirs: ['chat', 'v2'],
    ours: [undefined, 'v2'],
    script: async (name) => {
      @WebSocketGateway({ path: '/any' })
      class AnyProtocol extends Marker {}
      @WebSocketGateway({ path: '/chosen', handleProtocols: (offered: Set<string>) => [...offered].at(-1) })
      class Chosen extends Marker {}
      const { url } = await boot(name, { providers: [AnyProtocol, Chosen] });
      const paths = [`${url}/any`, `${url}/chosen`];
      const offers = ['chat, v2', 'v1, v2'];
      return Promise.all(paths.map(async (path, index) => (await offer(path, offers[index])).protocol));
    },
  },
  {
    name: 'misspelt-hooks',
    theirs: 'connected',
    ours: 'does not start',
    script: async (name) => {
      @WebSocketGateway({ path: '/misspelt' })
      class Misspelt extends Marker {
        onConnect() {}
      }
      const app = await boot(name, { providers: [Misspelt] }).catch(() => undefined);
      return app ? refusalOf(connectTo(app, '/misspelt')) : 'does not start';
    },
  },
  {
    name: 'global-prefix',
    theirs: ['connected', 'no answer'],
    ours: ['connected', 404],
    script: async (name) => {
      const configure: AppOptions['configure'] = (app) => app.setGlobalPrefix('api');
      const app = await boot(name, { providers: [Other] }, { configure });
      return [await refusalOf(connectTo(app, '/other')), await refusalOf(connectTo(app, '/api/other'))];
    },
  },
  {
    name: 'origin',
    theirs: 'connected',
    ours: 403,
    script: (name) => refusalOf(join(name, '/other', { origin: 'https://evil.example' })),
  },
  {
    name: 'unknown-path',
    theirs: 'no answer',
    ours: 404,
    script: (name) => refusalOf(join(name, '/nowhere')),
  },
  {
    name: 'shutdown',
    theirs: 1006,
    ours: 1001,
    script: async (name) => {
      const app = await boot(name, { providers: [Other] });
      const client = await connectTo(app, '/other');
      await app.app.close();
      return (await client.closed()).code;
    },
  },
];

/** The application of failing-gateway.mjs in a process of its own. */
class FailingApp {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(name: AdapterName): Promise<FailingApp> {
    const fixture = new URL('../fixtures/failing-gateway.mjs', import.meta.url).pathname;
    const env = { ...process.env, ADAPTER: name, NODE_OPTIONS: '' };
    const child = fork(fixture, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [], env });
    const [{ port }] = (await within(20_000, 'the application', once(child, 'message'))) as [{ port: number }];
    return new FailingApp(child, `ws://127.0.0.1:${port}`);
  }

  /** Does something to it. @returns what the client saw and that it has survived, or how it has ended */
  async after(act: (url: string) => Promise<unknown>): Promise<unknown> {
    const exited = once(this.child, 'exit').then(([code]) => `ended with exit code ${String(code)}`);
    const survived = async () => {
      const seen = await act(this.url);
      const second = await TestClient.connect(`${this.url}/`);
      const frames = await ask(second);
      second.vanish();
      return { survived: frames.length === 0, seen };
    };
    return Promise.race([exited, survived().catch(() => exited)]);
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** Ours survives, so that one process serves all tests. */
let survivor: FailingApp | undefined;
afterAll(() => survivor?.kill());

/** Does something to an application in a process. @returns whether it has survived, and what the client saw */
async function inProcess(name: AdapterName, act: (url: string) => Promise<unknown>): Promise<unknown> {
  if (name === 'ours') {
    if (!survivor?.isRunning) survivor = await FailingApp.start(name);
    return survivor.after(act);
  }
  const app = await FailingApp.start(name);
  try {
    return await app.after(act);
  } finally {
    await app.kill();
  }
}

const ENDED = 'ended with exit code 1';

/** Each starts up to three applications in processes of their own. */
const PROCESS_TIMEOUT_MS = 60_000;

/** Differences that only a process of its own can show. */
const SURVIVALS: readonly Difference[] = [
  {
    name: 'handle-connection-fails',
    theirs: [ENDED, ENDED],
    ours: [1, 2].map(() => ({ survived: true, seen: { code: 1011, reason: 'onOpen failed' } })),
    script: async (name) => {
      const act = (path: string) => async (url: string) => (await TestClient.connect(url + path)).closed();
      return [await inProcess(name, act('/?throws')), await inProcess(name, act('/?rejects'))];
    },
  },
  {
    name: 'handle-disconnect-fails',
    theirs: ENDED,
    ours: { survived: true, seen: { code: 1000, reason: '' } },
    script: (name) => inProcess(name, async (url) => (await TestClient.connect(`${url}/`)).close()),
  },
  {
    name: 'unencodable-reply',
    theirs: ENDED,
    ours: { survived: true, seen: [exception({ code: 'internal', cause: { pattern: 'unencodable' } })] },
    script: (name) =>
      inProcess(name, async (url) => ask(await TestClient.connect(`${url}/`), { event: 'unencodable' })),
  },
];

it(
  'survives an async filter that was written for HTTP alone, and answers the client',
  async () => {
    const act = async (url: string) => ask(await TestClient.connect(`${url}/`), { event: 'filtered', data: 1 });
    const cause = { pattern: 'filtered', data: 1 };
    expect(await inProcess('ours', act)).toEqual({ survived: true, seen: [exception({ code: 'internal', cause })] });
  },
  PROCESS_TIMEOUT_MS,
);

describe('Differences from WsAdapter', () => {
  it.each([...DIFFERENCES, ...SURVIVALS])(
    'differs from WsAdapter as docs/gateways.md documents under $name',
    async ({ theirs, ours, script }) => {
      const actual = await onBoth(script);
      if (isCompared) expect(actual.theirs).toEqual(theirs);
      expect(actual.ours).toEqual(ours);
    },
    PROCESS_TIMEOUT_MS,
  );

  it('finds each difference from WsAdapter in docs/gateways.md, and no other', () => {
    const docs = readFileSync(new URL('../../docs/gateways.md', import.meta.url), 'utf8');
    const section = docs.split(/^## /m).find((part) => part.startsWith('What is different from WsAdapter'))!;
    const listed = [...section.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual([...DIFFERENCES, ...SURVIVALS].map(({ name }) => name).sort());
  });
});
