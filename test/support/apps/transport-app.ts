/** An application for the tests of SSE and polling: one gateway that the test controls, and a record of its calls. */
import type { Server } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable, type LoggerService, UseGuards } from '@nestjs/common';
import type { MiddlewareConsumer, ModuleMetadata, NestModule, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import {
  CloseInfo,
  Connection,
  HandshakeRequest,
  Message,
  type OnClose,
  type OnHandshake,
  type OnMessage,
  type OnOpen,
  RealtimeModule,
  type RealtimeOptions,
} from 'nestjs-realtime';
import { createTestApp, type TestApp, type TestAppOptions } from 'nestjs-realtime/testing';
import { until } from '../process-guard.js';

/** Names a user by `Authorization: Bearer <name>`; refuses where the client asks for it. */
@Injectable()
export class Doorkeeper implements CanActivate {
  asked = 0;
  /** Requests that arrive while it is set wait for it. */
  wait?: Promise<void>;

  async canActivate(context: ExecutionContext): Promise<boolean> {
    this.asked++;
    await this.wait;
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: object }>();
    const [, name] = /^Bearer (\w+)$/.exec(request.headers['authorization'] ?? '') ?? [];
    if (name !== undefined) request.user = { id: name };
    return request.headers['x-want'] !== 'guard-refuses';
  }
}

@UseGuards(Doorkeeper)
@WebSocketGateway({ path: '/ws' })
export class Room implements OnHandshake, OnOpen, OnMessage, OnClose {
  handshakes = 0;
  readonly connections: Connection[] = [];
  readonly heard: string[] = [];
  readonly closes: CloseInfo[] = [];
  /** `onMessage` waits for it. */
  block?: Promise<void>;
  inHandshake: (request: HandshakeRequest) => void = () => {};
  inOpen: (connection: Connection, request: HandshakeRequest) => void = () => {};

  /** Clears its record and restores its default behaviour. */
  renew(): void {
    this.handshakes = 0;
    for (const list of [this.connections, this.heard, this.closes]) list.length = 0;
    this.block = undefined;
    this.inHandshake = this.inOpen = () => {};
  }

  onHandshake(request: HandshakeRequest): void {
    this.handshakes++;
    this.inHandshake(request);
  }

  onOpen(connection: Connection, request: HandshakeRequest): void {
    this.connections.push(connection);
    this.inOpen(connection, request);
  }

  async onMessage(connection: Connection, message: Message): Promise<void> {
    this.heard.push(message.text());
    await this.block;
    connection.send(`echo ${message.text()}`);
  }

  onClose(_connection: Connection, close: CloseInfo): void {
    this.closes.push(close);
  }

  /** Waits until so many connections have ended. @returns the close of the last of them */
  async closed(count = 1): Promise<CloseInfo> {
    await until(
      `${count} ended connections`,
      () => this.closes.length,
      (length) => length >= count,
    );
    return this.closes[count - 1]!;
  }
}

/** Every request that came through the middleware, as `METHOD url`. */
export class Seen {
  readonly requests: string[] = [];
}

/** Collects what is logged, one line each. */
export class Lines implements LoggerService {
  readonly all: string[] = [];
  readonly warnings: string[] = [];
  private readers: (() => void)[] = [];
  readonly log = (message: unknown) => {
    this.all.push(String(message));
    for (const read of this.readers.splice(0)) read();
  };
  readonly warn = (message: unknown) => {
    this.warnings.push(String(message));
    this.log(message);
  };
  readonly error = this.log;
  readonly debug = this.log;
  readonly verbose = this.log;

  /** Resolves when a line contains this text. */
  async has(text: string): Promise<void> {
    while (!this.all.some((line) => line.includes(text))) await new Promise<void>((read) => this.readers.push(read));
  }

  clear(): void {
    this.all.length = this.warnings.length = 0;
  }
}

export interface RoomApp {
  readonly app: TestApp;
  readonly room: Room;
  readonly url: string;
  readonly seen: Seen;
}

/**
 * Stops an application whose clients are gone. fetch leaves connections open that never carried a request, and a server
 * waits for those until its header timeout before it closes.
 */
export async function stop({ app }: RoomApp): Promise<void> {
  const server = app.app.getHttpServer() as Server;
  const timer = setInterval(() => server.closeAllConnections(), 5);
  await app.close();
  clearInterval(timer);
}

/**
 * Ends all connections and clears all records, so that the next test finds a fresh application. The counters of `stats()`
 * keep their values.
 *
 * @throws Error when a connection does not end
 */
export async function renew({ app, room, seen }: RoomApp): Promise<void> {
  const left = async () => {
    // Repeated, because a request under way may open another connection
    await app.server.toEveryone().disconnect();
    const { current, unfinished } = await app.server.stats();
    return { current, unfinished, hooks: room.connections.length - room.closes.length };
  };
  await until(
    'the end of all connections',
    left,
    ({ current, unfinished, hooks }) => current + unfinished + hooks === 0,
  );
  room.renew();
  seen.requests.length = 0;
  Object.assign(app.app.get(Doorkeeper), { asked: 0, wait: undefined });
}

/** Starts the application with more controllers and gateways. */
export async function bootRoom(
  options: RealtimeOptions,
  { controllers = [], providers = [] }: ModuleMetadata,
  testApp: TestAppOptions,
): Promise<RoomApp> {
  const seen = new Seen();
  @Module({
    imports: [RealtimeModule.forRoot({ envFile: false, ...options })],
    controllers: controllers as Type[],
    providers: [Room, Doorkeeper, ...providers],
  })
  class AppModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      const note = (request: { method: string; originalUrl: string }, _response: unknown, next: () => void) => {
        seen.requests.push(`${request.method} ${request.originalUrl}`);
        next();
      };
      consumer.apply(note).forRoutes('*all');
    }
  }
  const moduleRef = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = await createTestApp(moduleRef, testApp);
  return { app, room: app.app.get(Room), url: `${app.url}/ws`, seen };
}
