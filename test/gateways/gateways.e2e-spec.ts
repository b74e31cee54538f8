/** Gateways with hooks on real sockets: discovery, handshake, log, heartbeat and shutdown. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  BadRequestException,
  ForbiddenException,
  Injectable,
  type LoggerService,
  Module,
  type ModuleMetadata,
  Scope,
} from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  type CloseInfo,
  type Connection,
  type HandshakeRequest,
  type Message,
  OptionsError,
  RealtimeModule,
  type RealtimeOptions,
  RealtimeServer,
} from 'nestjs-realtime';
import { createTestApp, type Refusal, type TestApp, type TestAppOptions, TestClient } from 'nestjs-realtime/testing';
import { randomBytes } from '../support/random.js';

/** A queue of events that a test can await. */
class Events<T> {
  private readonly past: T[] = [];
  private waiting: ((value: T) => void)[] = [];

  add(value: T): void {
    const first = this.waiting.shift();
    if (first) first(value);
    else this.past.push(value);
  }

  next(): Promise<T> {
    if (this.past.length > 0) return Promise.resolve(this.past.shift()!);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The events that no test has taken. */
  get left(): readonly T[] {
    return this.past;
  }
}

/** The application's logger; it keeps all lines. */
class KeepingLogger implements LoggerService {
  readonly lines: string[] = [];
  log = (message: unknown) => void this.lines.push(String(message));
  warn = this.log;
  error = this.log;
  debug = this.log;
  verbose = this.log;

  with(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }
}

const apps: TestApp[] = [];

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

const realtime = (options: RealtimeOptions = {}) => RealtimeModule.forRoot({ envFile: false, ...options });

async function start(metadata: ModuleMetadata, options?: TestAppOptions): Promise<TestApp> {
  const app = await createTestApp(await Test.createTestingModule(metadata).compile(), options);
  apps.push(app);
  return app;
}

const refusalOf = (app: TestApp, path: string, headers?: Record<string, string>): Promise<Refusal> =>
  app.connect(path, { headers }).then(
    () => Promise.reject(new Error('was admitted')),
    (refusal: Refusal) => refusal,
  );

/** Echoes messages; its closes can be awaited. */
@WebSocketGateway({ path: '/echo' })
class EchoGateway {
  readonly closes = new Events<CloseInfo>();
  readonly calls: string[] = [];
  /** The time between opening and closing of the last closed connection, in milliseconds. */
  lifetimeMs = 0;

  onHandshake(request: HandshakeRequest) {
    this.calls.push('onHandshake');
    return { userId: request.query.get('user') ?? undefined };
  }
  onOpen(connection: Connection) {
    this.calls.push('onOpen');
    connection.send(`Welcome ${connection.path}`);
  }
  onMessage(connection: Connection, message: Message) {
    this.calls.push('onMessage');
    connection.send(message.isBinary ? message.bytes() : message.text());
  }
  onClose(connection: Connection, close: CloseInfo) {
    this.calls.push('onClose');
    this.lifetimeMs = Date.now() - connection.openedAt;
    this.closes.add(close);
  }
}

/** A gateway without a path of its own. */
@WebSocketGateway()
class DefaultGateway {
  onOpen(connection: Connection) {
    connection.send(`Hello from ${connection.path}`);
  }
}

/** Connects a peer that only reads after the handshake: it answers neither pings nor close frames. */
async function frozenPeer(app: TestApp, path: string): Promise<{ socket: Socket; bytes: () => Buffer }> {
  const { hostname, port } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('error', () => {});
  const key = randomBytes(16).toString('base64');
  const headers = `Host: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`;
  socket.write(`GET ${path} HTTP/1.1\r\n${headers}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`);
  await once(socket, 'data');
  socket.on('data', (chunk) => chunks.push(chunk));
  return { socket, bytes: () => Buffer.concat(chunks) };
}

describe('gateways with hooks', () => {
  it('serves gateways on their own paths, apart from each other', async () => {
    @WebSocketGateway({ path: '/other' })
    class OtherGateway {
      onMessage(connection: Connection, message: Message) {
        connection.send(message.text().toUpperCase());
      }
    }
    const app = await start({ imports: [realtime()], providers: [EchoGateway, OtherGateway] });
    const [ann, bob] = [await app.connect('/echo'), await app.connect('/other')];
    ann.send('hi');
    bob.send('hi');
    expect([await ann.next(), await ann.next(), await bob.next()]).toEqual(['Welcome /echo', 'hi', 'HI']);
    expect(app.app.get(EchoGateway).calls).toEqual(['onHandshake', 'onOpen', 'onMessage']);
    await app.server.toEveryone('/other').push('for the other path');
    expect(await bob.next()).toBe('for the other path');
  });

  it('serves a gateway without a path on /ws', async () => {
    const app = await start({ imports: [realtime()], providers: [DefaultGateway] });
    expect(await (await app.connect('/ws')).next()).toBe('Hello from /ws');
  });

  it('serves a gateway without a path on REALTIME_PATH', async () => {
    process.env['REALTIME_PATH'] = '/from-env';
    try {
      const app = await start({ imports: [realtime()], providers: [DefaultGateway] });
      expect(await (await app.connect('/from-env')).next()).toBe('Hello from /from-env');
      expect((await refusalOf(app, '/ws')).status).toBe(404);
    } finally {
      delete process.env['REALTIME_PATH'];
    }
  });

  it('binds a gateway once although three modules provide it', async () => {
    @Module({ providers: [EchoGateway] })
    class FirstModule {}
    @Module({ providers: [EchoGateway] })
    class SecondModule {}
    const app = await start({ imports: [realtime(), FirstModule, SecondModule], providers: [EchoGateway] });
    const ann = await app.connect('/echo');
    ann.send('once');
    expect([await ann.next(), await ann.next()]).toEqual(['Welcome /echo', 'once']);
    ann.send('again');
    expect(await ann.next()).toBe('again');
  });

  it('fails at boot with both names for two gateways with hooks on one path', async () => {
    @WebSocketGateway({ path: '/echo' })
    class SecondGateway {
      onOpen() {}
    }
    const boot = start({ imports: [realtime()], providers: [EchoGateway, SecondGateway] });
    await expect(boot).rejects.toThrow(OptionsError);
    await expect(boot).rejects.toThrow(/EchoGateway and SecondGateway .*\/echo/);
  });

  it('fails at boot with the name of a gateway with hooks that is request-scoped', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    @WebSocketGateway({ path: '/scoped' })
    class ScopedGateway {
      constructor(readonly perRequest: PerRequest) {}
      onOpen() {}
    }
    const boot = start({ imports: [realtime()], providers: [PerRequest, ScopedGateway] });
    await expect(boot).rejects.toThrow(OptionsError);
    await expect(boot).rejects.toThrow(/ScopedGateway is request-scoped/);
  });

  it('fails at boot with the names of gateways with hooks when the application sets another adapter', async () => {
    const configure = (app: TestApp['app']) => void app.useWebSocketAdapter(new WsAdapter(app));
    const boot = start({ imports: [realtime()], providers: [EchoGateway] }, { configure });
    await expect(boot).rejects.toThrow(OptionsError);
    await expect(boot).rejects.toThrow(/useWebSocketAdapter\(\).*EchoGateway/);
  });

  it('accepts another adapter when there are no gateways with hooks', async () => {
    const logger = new KeepingLogger();
    const configure = (app: TestApp['app']) => void app.useWebSocketAdapter(new WsAdapter(app));
    await start({ imports: [realtime()] }, { configure, logger });
    expect(logger.with('useWebSocketAdapter()')).toHaveLength(1);
  });

  it('echoes a binary message of 70,000 bytes', async () => {
    const app = await start({ imports: [realtime()], providers: [EchoGateway] });
    const ann = await app.connect('/echo');
    await ann.next();
    const bytes = randomBytes(70_000);
    ann.send(bytes);
    expect(bytes.equals((await ann.next()) as Buffer)).toBe(true);
  });
});

describe('RealtimeModule', () => {
  @Injectable()
  class Options {
    create(): RealtimeOptions {
      return { envFile: false, path: '/from-class' };
    }
  }

  @Module({ providers: [Options], exports: [Options] })
  class OptionsModule {}

  it('fails at boot when RealtimeModule is imported twice', async () => {
    const boot = start({ imports: [realtime(), realtime({ path: '/two' })] });
    await expect(boot).rejects.toThrow(OptionsError);
    await expect(boot).rejects.toThrow(/RealtimeModule is imported 2 times/);
  });

  it('fails at boot with a list of all invalid settings', async () => {
    const boot = async () => start({ imports: [realtime({ maxConnections: 0, path: 'no slash' })] });
    await expect(boot()).rejects.toThrow(
      /2 problems[^]*maxConnections[^]*no slash|2 problems[^]*no slash[^]*maxConnections/,
    );
  });

  it('takes the options of forRootAsync() from a factory', async () => {
    const imports = [
      RealtimeModule.forRootAsync({
        imports: [OptionsModule],
        inject: [Options],
        useFactory: async (options: Options) => ({ ...options.create(), path: '/from-factory' }),
      }),
    ];
    const app = await start({ imports, providers: [DefaultGateway] });
    expect(await (await app.connect('/from-factory')).next()).toBe('Hello from /from-factory');
  });

  it('takes the options of forRootAsync() from a class of its own', async () => {
    const imports = [RealtimeModule.forRootAsync({ useClass: Options })];
    const app = await start({ imports, providers: [DefaultGateway] });
    expect(await (await app.connect('/from-class')).next()).toBe('Hello from /from-class');
  });

  it('takes the options of forRootAsync() from an existing provider', async () => {
    const imports = [RealtimeModule.forRootAsync({ imports: [OptionsModule], useExisting: Options })];
    const app = await start({ imports, providers: [DefaultGateway] });
    expect(await (await app.connect('/from-class')).next()).toBe('Hello from /from-class');
  });

  it('injects RealtimeServer into every module, and pushes before the first client', async () => {
    @Injectable()
    class Pusher {
      constructor(readonly server: RealtimeServer) {}
    }
    @Module({ providers: [Pusher] })
    class FeatureModule {}
    const app = await start({ imports: [realtime(), FeatureModule], providers: [EchoGateway] });
    const { server } = app.app.get(Pusher);
    await server.toEveryone().push('to nobody');
    const ann = await app.connect('/echo?user=7');
    await ann.next();
    await server.toUser('7').emit('news', 1);
    expect(await ann.next('news')).toBe(1);
  });

  it('answers 404 on all paths and delivers to nobody when it is disabled', async () => {
    const app = await start({ imports: [realtime({ enabled: false })], providers: [EchoGateway] });
    await app.server.toEveryone().push('to nobody');
    expect((await refusalOf(app, '/echo')).status).toBe(404);
    expect(app.app.get(EchoGateway).calls).toEqual([]);
  });
});

describe('the handshake', () => {
  @WebSocketGateway({ path: '/door' })
  class DoorGateway {
    readonly opened: string[] = [];
    onHandshake(request: HandshakeRequest) {
      const want = request.query.get('want');
      if (want === 'text') throw new ForbiddenException('Members only');
      if (want === 'object') throw new BadRequestException({ field: 'token', why: 'missing' });
      if (want === 'error') throw new Error('password=hunter2');
      if (want === 'hang') return new Promise<void>(() => {});
      return undefined;
    }
    onOpen(connection: Connection) {
      this.opened.push(connection.id);
    }
  }

  let app: TestApp;
  let logger: KeepingLogger;

  beforeEach(async () => {
    logger = new KeepingLogger();
    const imports = [realtime({ handshakeTimeout: 0.2, allowedOrigins: ['https://app.example.com'] })];
    app = await start({ imports, providers: [DoorGateway] }, { logger });
  });

  it('refuses with the status and the body that Nest renders of an HttpException', async () => {
    const text = await refusalOf(app, '/door?want=text');
    expect([text.status, JSON.parse(text.body)]).toEqual([
      403,
      { statusCode: 403, message: 'Members only', error: 'Forbidden' },
    ]);
    const object = await refusalOf(app, '/door?want=object');
    expect([object.status, JSON.parse(object.body)]).toEqual([400, { field: 'token', why: 'missing' }]);
    expect(object.headers['content-type']).toMatch(/^application\/json/);
    expect(app.app.get(DoorGateway).opened).toEqual([]);
  });

  it('refuses a hanging handshake with 503 and Retry-After at the handshake timeout', async () => {
    const { status, headers, body } = await refusalOf(app, '/door?want=hang');
    expect([status, JSON.parse(body)]).toMatchObject([503, { statusCode: 503 }]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });

  it('refuses with 500 after any other error, whose message only the log has', async () => {
    const { status, body } = await refusalOf(app, '/door?want=error');
    expect([status, JSON.parse(body)]).toEqual([500, { statusCode: 500, message: 'Internal server error' }]);
    expect(logger.with('hunter2')).not.toEqual([]);
  });

  it('refuses another origin with 403 before any hook', async () => {
    const { status } = await refusalOf(app, '/door?want=text', { origin: 'https://evil.example.com' });
    expect(status).toBe(403);
    expect(logger.with('Members only')).toEqual([]);
    expect(logger.with('refused status=403')).toHaveLength(1);
  });

  it('admits the same origin, a listed one, and a client without an origin', async () => {
    for (const origin of [app.url, 'https://app.example.com']) await app.connect('/door', { headers: { origin } });
    await app.connect('/door');
    expect(await app.server.toEveryone().count()).toBe(3);
  });

  it('refuses a path without a gateway with 404', async () => {
    expect((await refusalOf(app, '/nowhere')).status).toBe(404);
  });

  it('counts every refusal and leaves no connection', async () => {
    await refusalOf(app, '/door?want=text');
    await refusalOf(app, '/door?want=hang');
    await refusalOf(app, '/door', { origin: 'null' });
    expect(await app.server.stats()).toMatchObject({ accepted: 0, current: 0, refused: 3 });
  });

  it('answers a plain GET with 426 when an upgrade would be admitted, else with its refusal', async () => {
    const admitted = await fetch(`${app.url}/door`);
    expect([admitted.status, admitted.headers.get('upgrade')]).toEqual([426, 'websocket']);
    const refused = await fetch(`${app.url}/door?want=text`);
    expect([refused.status, await refused.json()]).toMatchObject([403, { message: 'Members only' }]);
    expect((await fetch(`${app.url}/door?want=hang`)).status).toBe(503);
    expect(app.app.get(DoorGateway).opened).toEqual([]);
  });
});

describe('the log', () => {
  it('logs the opening, the messages and the closing of a connection', async () => {
    const logger = new KeepingLogger();
    const app = await start({ imports: [realtime({ logMessages: true })], providers: [EchoGateway] }, { logger });
    const ann = await app.connect('/echo?user=7');
    await ann.next();
    ann.send('12345');
    await ann.next();
    await ann.close(1000, 'bye');
    await app.app.get(EchoGateway).closes.next();
    const [opened, message, closed] = logger.with('WebSocket ');
    const id = /id=(\S+)/.exec(opened!)![1];
    expect(opened).toBe(`WebSocket connection opened id=${id} path=/echo ip=127.0.0.1 user=7`);
    expect(message).toBe(`WebSocket message id=${id} bytes=5 type=text`);
    expect(closed?.replace(/after=\d+\.\d+s/, 'after=…')).toBe(
      `WebSocket connection closed id=${id} code=1000 reason="bye" by=client after=… in=1/5B out=2/18B`,
    );
  });

  describe('of an SSE and a polling client', () => {
    @WebSocketGateway({ path: '/door' })
    class Door {
      onHandshake(request: HandshakeRequest) {
        if (request.query.has('no')) throw new ForbiddenException(`Not over ${request.transport}`);
      }
    }

    /** Opens a stream and a poll, is refused with both, and comes back with a token that does not exist. */
    async function visit(options: RealtimeOptions): Promise<string[]> {
      const logger = new KeepingLogger();
      // The clients are gone at the end, so the shutdown does not wait for them
      const app = await start(
        { imports: [realtime({ closeTimeout: 0.05, ...options })], providers: [Door] },
        { logger },
      );
      const left = new AbortController();
      const ask = async (path: string, headers: Record<string, string> = {}) => {
        const response = await fetch(`${app.url}/door${path}`, { headers, signal: left.signal });
        await response.body?.getReader().read();
      };
      for (const query of ['?', '?no&']) {
        await ask(query, { accept: 'text/event-stream' });
        await ask(`${query}transport=polling`);
      }
      left.abort();
      return logger.with(' connection ').map((line) => line.replace(/ (id|status|code)=.*/, ''));
    }

    it('names their transport when they open and when they are refused', async () => {
      expect(await visit({})).toEqual([
        'SSE connection opened',
        'Polling connection opened',
        'SSE connection refused',
        'Polling connection refused',
      ]);
    });

    it('has with REALTIME_LOG_LIFECYCLE=failures the refusals, and with none neither', async () => {
      expect(await visit({ logLifecycle: 'failures' })).toEqual([
        'SSE connection refused',
        'Polling connection refused',
      ]);
      expect(await visit({ logLifecycle: 'none' })).toEqual([]);
    });
  });

  it('logs user ids, close reasons and paths with line ends on one line', async () => {
    const logger = new KeepingLogger();
    const app = await start({ imports: [realtime()], providers: [EchoGateway] }, { logger });
    const text = 'x\r\n[Nest] forged\u001b[2K';
    const ann = await app.connect(`/echo?user=${encodeURIComponent(text)}`);
    await ann.close(1000, text);
    await app.app.get(EchoGateway).closes.next();
    await refusalOf(app, `/${encodeURIComponent(text)}`);
    expect(logger.with('forged')).toHaveLength(2);
    for (const line of logger.with('forged')) expect(line).not.toMatch(/\p{Cc}/u);
  });

  it('logs the error of a failed hook and hides it from the client', async () => {
    @WebSocketGateway({ path: '/failing' })
    class FailingGateway {
      onMessage() {
        throw new Error('password=hunter2');
      }
    }
    const logger = new KeepingLogger();
    const app = await start({ imports: [realtime()], providers: [FailingGateway] }, { logger });
    const ann = await app.connect('/failing');
    ann.send('x');
    expect(await ann.next('exception')).toEqual({
      status: 'error',
      code: 'internal',
      message: 'Internal server error',
    });
    expect(logger.with('onMessage failed')).toEqual([
      expect.stringMatching(/^WebSocket onMessage failed id=\S+ path=\/failing /),
    ]);
  });

  it('logs one table of gateways, heartbeat, limits and broker at boot', async () => {
    const logger = new KeepingLogger();
    await start({ imports: [realtime()], providers: [EchoGateway] }, { logger });
    const [table, ...others] = logger.with('Realtime is ready');
    expect(others).toEqual([]);
    for (const row of [
      /gateways +\/echo \(EchoGateway\): hooks onHandshake, onOpen, onMessage, onClose; guards none; transports websocket, sse, polling\n/,
      /heartbeat +ping after 25s/,
      /limits +/,
      /broker +memory/,
    ]) {
      expect(table).toMatch(row);
    }
  });
});

describe('the heartbeat', () => {
  const quick = { heartbeatPingInterval: 0.1, heartbeatIdleTime: 0.4, heartbeatCheckInterval: 0.1, closeTimeout: 0.1 };

  it('closes a frozen peer with 4000 at its idle time, and keeps a silent one that answers pings', async () => {
    const app = await start({ imports: [realtime(quick)], providers: [EchoGateway] });
    const ann = await app.connect('/echo');
    const frozen = await frozenPeer(app, '/echo');
    const gateway = app.app.get(EchoGateway);
    expect(await gateway.closes.next()).toMatchObject({ code: 4000, initiator: 'heartbeat', wasClean: false });
    expect(gateway.lifetimeMs).toBeGreaterThanOrEqual(quick.heartbeatIdleTime * 1000);
    expect(frozen.bytes().includes(Buffer.from([0x88, 2 + 'heartbeat timeout'.length, 0x0f, 0xa0]))).toBe(true);
    ann.send('still here');
    await ann.next();
    expect(await ann.next()).toBe('still here');
    expect(await app.server.stats()).toMatchObject({ current: 1, closed: { heartbeat: 1, client: 0 } });
  });

  it('closes a peer that has stopped reading with 4000', async () => {
    const app = await start({ imports: [realtime(quick)], providers: [EchoGateway] });
    const ann = await app.connect('/echo');
    ann.socket.pause();
    expect(await app.app.get(EchoGateway).closes.next()).toMatchObject({ code: 4000, initiator: 'heartbeat' });
    ann.socket.resume();
    expect((await ann.closed()).code).toBe(4000);
  });

  it('closes silent peers without a ping in the passive mode', async () => {
    const passive = { ...quick, heartbeatPingInterval: 0, heartbeatIdleTime: 0.2 };
    const app = await start({ imports: [realtime(passive)], providers: [EchoGateway] });
    const ann = await app.connect('/echo');
    let pings = 0;
    ann.socket.on('ping', () => pings++);
    expect(await ann.closed()).toEqual({ code: 4000, reason: 'heartbeat timeout' });
    expect(pings).toBe(0);
  });
});

describe('a slow client', () => {
  it('closes a client that never reads with 4001, and sends everything to the others', async () => {
    const app = await start({ imports: [realtime({ closeTimeout: 0.2 })], providers: [EchoGateway] });
    const [slow, quick] = [await app.connect('/echo'), await app.connect('/echo')];
    await quick.next();
    slow.socket.pause();
    let pushed = 0;
    for (; pushed < 500 && (await app.server.stats()).current === 2; pushed++) {
      await app.server.toEveryone().push(`${pushed}:${'x'.repeat(200_000)}`);
      expect(((await quick.next()) as string).split(':')[0]).toBe(String(pushed));
    }
    expect(await app.app.get(EchoGateway).closes.next()).toMatchObject({ code: 4001, initiator: 'limit' });
    await app.server.toEveryone().push('after');
    expect(await quick.next()).toBe('after');
    expect(await app.server.stats()).toMatchObject({ current: 1, closed: { limit: 1 } });
  });
});

describe('the lifecycle on real sockets', () => {
  it('keeps messages that arrive during onOpen, in order', async () => {
    let open = () => {};
    const seen: string[] = [];
    @WebSocketGateway({ path: '/slow' })
    class SlowGateway {
      onOpen() {
        return new Promise<void>((resolve) => (open = resolve));
      }
      onMessage(connection: Connection, message: Message) {
        seen.push(message.text());
        if (seen.length === 300) connection.send('all');
      }
    }
    const app = await start({ imports: [realtime({ maxQueuedMessages: 16 })], providers: [SlowGateway] });
    const ann = await app.connect('/slow');
    for (let index = 0; index < 300; index++) ann.send(String(index));
    while ((await app.server.stats()).pauses === 0) await new Promise(setImmediate);
    expect(seen).toEqual([]);
    open();
    await ann.next();
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => String(index)));
  });

  it('runs onClose once for a client that vanishes, one that closes, and one that the server disconnects', async () => {
    const app = await start({ imports: [realtime()], providers: [EchoGateway] });
    const { closes } = app.app.get(EchoGateway);
    (await app.connect('/echo')).vanish();
    expect(await closes.next()).toMatchObject({ code: 1006, initiator: 'client', wasClean: false });
    await (await app.connect('/echo')).close(3001, 'bye');
    expect(await closes.next()).toMatchObject({ code: 3001, reason: 'bye', initiator: 'client', wasClean: true });
    const ann = await app.connect('/echo');
    const { id } = (await app.server.list()).items[0]!;
    expect(await app.server.disconnect(id, 4501, 'log in')).toBe(true);
    expect(await ann.closed()).toEqual({ code: 4501, reason: 'log in' });
    expect(await closes.next()).toMatchObject({ code: 4501, reason: 'log in', initiator: 'server', wasClean: true });
    expect([closes.left, await app.server.exists(id)]).toEqual([[], false]);
  });

  it('closes with 1011 when onOpen fails, and then runs onClose', async () => {
    const closes = new Events<CloseInfo>();
    @WebSocketGateway({ path: '/bad' })
    class BadGateway {
      async onOpen() {
        throw new Error('no database');
      }
      onClose(_connection: Connection, close: CloseInfo) {
        closes.add(close);
      }
    }
    const app = await start({ imports: [realtime()], providers: [BadGateway] });
    expect(await (await app.connect('/bad')).closed()).toEqual({ code: 1011, reason: 'onOpen failed' });
    expect(await closes.next()).toMatchObject({ code: 1011, initiator: 'error' });
  });
});

describe('a shutdown', () => {
  it('closes with 1001 at a shutdown, waits for the hooks, and leaves other applications alone', async () => {
    let finish = () => {};
    const order: string[] = [];
    @WebSocketGateway({ path: '/busy' })
    class BusyGateway {
      onMessage(connection: Connection) {
        connection.send('working');
        return new Promise<void>((resolve) => (finish = resolve)).then(() => void order.push('onMessage has ended'));
      }
      onClose(_connection: Connection, { code, initiator }: CloseInfo) {
        order.push(`onClose ${code} ${initiator}`);
      }
    }
    const app = await start({ imports: [realtime()], providers: [BusyGateway] });
    const other = await start({ imports: [realtime()], providers: [EchoGateway] });
    const [ann, bob] = [await TestClient.connect(`${app.url}/busy`), await other.connect('/echo')];
    ann.send('work');
    await ann.next();
    const closing = app.close().then(() => void order.push('app.close() has returned'));
    expect((await ann.closed()).code).toBe(1001);
    expect(order).toEqual([]);
    finish();
    await closing;
    expect(order).toEqual(['onMessage has ended', 'onClose 1001 shutdown', 'app.close() has returned']);
    bob.send('still here');
    await bob.next();
    expect(await bob.next()).toBe('still here');
    expect(await other.server.stats()).toMatchObject({ current: 1, closed: { shutdown: 0 } });
  });

  it('waits no longer than the shutdown timeout for a hook or a frozen peer', async () => {
    const closes: string[] = [];
    @WebSocketGateway({ path: '/stuck' })
    class StuckGateway {
      onMessage(connection: Connection) {
        connection.send('stuck');
        return new Promise<void>(() => {});
      }
      onClose(connection: Connection, { code, initiator }: CloseInfo) {
        closes.push(`${connection.id} ${code} ${initiator}`);
      }
    }
    const logger = new KeepingLogger();
    const imports = [realtime({ shutdownTimeout: 0.2, closeTimeout: 60 })];
    const app = await start({ imports, providers: [StuckGateway] }, { logger });
    const ann = await TestClient.connect(`${app.url}/stuck`);
    ann.send('x');
    await ann.next();
    const frozen = await frozenPeer(app, '/stuck');
    const gone = once(frozen.socket, 'close');
    await app.close();
    const [stuckId, frozenId] = logger.with('connection opened').map((line) => /id=(\S+)/.exec(line)![1]);
    expect(closes).toEqual([`${frozenId} 1001 shutdown`]);
    expect(logger.with('hook still runs')).toEqual([expect.stringContaining(`id=${stuckId}`)]);
    await gone;
    expect((await ann.closed()).code).toBe(1001);
  });
});
