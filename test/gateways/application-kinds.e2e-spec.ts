/** Applications of other kinds: with another adapter, hybrid, a microservice, a context without a server. */
import { createServer, type AddressInfo } from 'node:net';
import { type CanActivate, Controller, type LoggerService, Module, type Type, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  type Connection,
  type Message,
  OptionsError,
  RealtimeAdapter,
  RealtimeModule,
  RealtimeServer,
} from 'nestjs-realtime';
import { TestClient } from 'nestjs-realtime/testing';
import { firstValueFrom } from 'rxjs';
import { ask } from '../support/apps/both-adapters.js';
import { Marker } from '../support/apps/classic-gateways.js';

class KeepingLogger implements LoggerService {
  readonly lines: string[] = [];
  log = (message: unknown) => void this.lines.push(String(message));
  warn = (message: unknown) => void this.lines.push(`WARN ${String(message)}`);
  error = (message: unknown) => void this.lines.push(`ERROR ${String(message)}`);
  debug() {}
  verbose() {}

  get troubles(): string[] {
    return this.lines.filter((line) => /^(WARN|ERROR)/.test(line));
  }
}

@WebSocketGateway({ path: '/methods' })
class Methods extends Marker {
  connected = 0;

  handleConnection() {
    this.connected++;
  }
}

@WebSocketGateway({ path: '/hooks' })
class Hooks {
  onMessage(connection: Connection, message: Message) {
    connection.send(message.text());
  }
}

@Controller()
class Sums {
  @MessagePattern('sum')
  sum(numbers: number[]) {
    return numbers.reduce((total, number) => total + number, 0);
  }
}

function moduleOf(providers: Type[]): Type {
  @Module({ imports: [RealtimeModule.forRoot({ envFile: false })], controllers: [Sums], providers })
  class AppModule {}
  return AppModule;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const START = { abortOnError: false } as const;

async function createApp(providers: Type[], logger: LoggerService) {
  const app = await NestFactory.create(moduleOf(providers), { ...START, logger });
  closing.push(() => app.close());
  return app;
}

async function urlOf(app: Awaited<ReturnType<typeof createApp>>): Promise<string> {
  await app.listen(0, '127.0.0.1');
  return `ws://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
}

async function sumAt(port: number): Promise<number> {
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  closing.push(async () => client.close());
  return firstValueFrom(client.send<number>('sum', [1, 2, 3]));
}

describe('An application that calls useWebSocketAdapter()', () => {
  it('fails at boot with another adapter, and names the gateways whose hooks would never run', async () => {
    const app = await createApp([Hooks, Methods], new KeepingLogger());
    app.useWebSocketAdapter(new WsAdapter(app));
    await expect(app.init()).rejects.toThrow(OptionsError);
    await expect(app.init()).rejects.toThrow(/useWebSocketAdapter\(\).*the hooks of Hooks would never run/);
  });

  it('runs gateways without hooks on another adapter, and logs one warning', async () => {
    const logger = new KeepingLogger();
    const app = await createApp([Methods], logger);
    app.useWebSocketAdapter(new WsAdapter(app));
    const client = await TestClient.connect(`${await urlOf(app)}/methods`);
    expect(await ask(client)).toEqual([]);
    expect(logger.troubles).toContainEqual(
      expect.stringMatching(/^WARN The application calls useWebSocketAdapter\(\).*RealtimeServer delivers to nobody$/),
    );
    expect(logger.lines.filter((line) => /Realtime is ready|no HTTP server/.test(line))).toEqual([]);
    const server = app.get(RealtimeServer);
    await server.toEveryone().push('nobody hears it');
    expect(await server.stats()).toMatchObject({ current: 0, accepted: 0 });
    client.vanish();
  });

  it('accepts RealtimeAdapter in useWebSocketAdapter() without a warning', async () => {
    const logger = new KeepingLogger();
    const app = await createApp([Hooks, Methods], logger);
    app.useWebSocketAdapter(app.get(RealtimeAdapter));
    const client = await TestClient.connect(`${await urlOf(app)}/hooks`);
    client.send('hello');
    expect(await client.next()).toBe('hello');
    expect(logger.troubles).toEqual([]);
  });
});

describe('A hybrid application', () => {
  it.each([true, false])(
    'serves gateways and a microservice in a hybrid application (inheritAppConfig: %s)',
    async (inherit) => {
      const logger = new KeepingLogger();
      const app = await createApp([Hooks, Methods], logger);
      const port = await freePort();
      const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port } } as const;
      app.connectMicroservice(options, { inheritAppConfig: inherit });
      await app.startAllMicroservices();
      const url = await urlOf(app);
      const [methods, hooks] = [await TestClient.connect(`${url}/methods`), await TestClient.connect(`${url}/hooks`)];
      expect(await ask(methods)).toEqual([]);
      hooks.send('hello');
      expect(await hooks.next()).toBe('hello');
      expect(await sumAt(port)).toBe(6);
      expect(app.get(Methods).connected).toBe(1);
      expect(logger.troubles).toEqual([]);
      await app.close();
      expect((await methods.closed()).code).toBe(1001);
    },
  );
});

describe('An application without an HTTP server', () => {
  const warning = expect.stringMatching(/^WARN Realtime has no HTTP server here: nothing can connect/);

  it('warns in an application context that nothing can connect, and pushes to nobody', async () => {
    const logger = new KeepingLogger();
    const context = await NestFactory.createApplicationContext(moduleOf([Hooks, Methods]), { ...START, logger });
    closing.push(() => context.close());
    expect(logger.troubles).toEqual([warning]);
    const server = context.get(RealtimeServer);
    await server.toEveryone().push('nobody hears it');
    expect(await server.push('no.one', 'x')).toBe(false);
    expect(await server.stats()).toMatchObject({ current: 0 });
  });

  it('warns in a microservice that nothing can connect, and answers its messages', async () => {
    const logger = new KeepingLogger();
    const port = await freePort();
    const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port } } as const;
    const service = await NestFactory.createMicroservice(moduleOf([Hooks, Methods]), { ...START, ...options, logger });
    await service.listen();
    closing.push(() => service.close());
    expect(await sumAt(port)).toBe(6);
    expect(logger.troubles).toEqual([warning]);
    await service.get(RealtimeServer).toEveryone().push('nobody hears it');
  });

  it('serves a gateway with a port of its own in a microservice', async () => {
    const [port, own] = [await freePort(), await freePort()];
    @WebSocketGateway(own)
    class OwnPort extends Marker {}
    const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port } } as const;
    const logger = new KeepingLogger();
    const service = await NestFactory.createMicroservice(moduleOf([OwnPort]), { ...START, ...options, logger });
    await service.listen();
    closing.push(() => service.close());
    const client = await TestClient.connect(`ws://127.0.0.1:${own}`);
    expect(await ask(client)).toEqual([]);
    client.vanish();
  });
});

describe('A gateway that was written for Socket.IO', () => {
  it('fails at boot for a gateway with a namespace, which only Socket.IO has', async () => {
    @WebSocketGateway({ namespace: 'chat' })
    class Namespaced extends Marker {}
    const app = await createApp([Namespaced], new KeepingLogger());
    await expect(app.init()).rejects.toThrow('A gateway has the namespace /chat, which only Socket.IO knows');
  });

  it('warns once of gateway options that have no effect here', async () => {
    const logger = new KeepingLogger();
    @WebSocketGateway({ path: '/cors', cors: true, pingInterval: 5 })
    class Configured {
      @SubscribeMessage('x')
      x() {}
    }
    const app = await createApp([Configured], logger);
    await app.init();
    expect(logger.troubles).toEqual([
      expect.stringMatching(/^WARN Configured: cors, pingInterval in @WebSocketGateway\(\) has no effect here/),
    ]);
  });
});

describe('The table at boot', () => {
  class JwtGuard implements CanActivate {
    canActivate = () => true;
  }
  class RolesGuard implements CanActivate {
    canActivate = () => true;
  }

  it('has the hooks, guards and transports of each gateway, also of one on a port of its own', async () => {
    const port = await freePort();
    @WebSocketGateway(port)
    class OwnPort extends Marker {}
    @UseGuards(JwtGuard)
    @WebSocketGateway({ path: ['/a', '/b/:id'], transports: ['sse'] })
    class Guarded {
      onOpen = () => {};
      @UseGuards(new RolesGuard())
      onMessage() {}
    }
    @WebSocketGateway({ path: '/asks' })
    class Asking {
      onAuthenticate() {}
    }
    @UseGuards(JwtGuard)
    @WebSocketGateway({ path: '/nest' })
    class Nest extends Marker {}
    const logger = new KeepingLogger();
    const app = await createApp([OwnPort, Guarded, Asking, Nest, JwtGuard], logger);
    app.setGlobalPrefix('api');
    await app.init();
    const table = logger.lines.find((line) => line.startsWith('Realtime is ready'))!.split('\n');
    expect(table.slice(1, 5).map((line) => line.trim())).toEqual([
      'gateways     /api/a, /api/b/:id (Guarded): hooks onOpen, onMessage; ' +
        'guards JwtGuard at the handshake, RolesGuard per message; transports sse',
      '/api/asks (Asking): hooks onAuthenticate; guards none; ' +
        'onAuthenticate refuses with UnauthorizedException; transports websocket, sse, polling',
      expect.stringMatching(
        /^\/nest \(Nest\): hooks none; \d message methods; guards JwtGuard per message; transports websocket$/,
      ),
      `port ${port} (OwnPort): on Nest's WsAdapter, without this module`,
    ]);
  });
});
