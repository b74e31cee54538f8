/** A gateway with every place that an enhancer can stand at, enhancers that report where they ran, and one life of a client. */
import {
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  Injectable,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { type Connection, Connection as AnyConnection, type Message, RealtimeModule } from 'nestjs-realtime';
import type { RealtimeGatewayOptions } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { until } from '../process-guard.js';

export type Kind = 'guard' | 'interceptor' | 'filter' | 'pipe';
export type Level = 'class' | 'method' | 'APP_*' | 'useGlobal*';
export type Place = 'onHandshake' | 'onOpen' | 'onMessage' | 'method' | 'onClose';

export const PLACES: readonly Place[] = ['onHandshake', 'onOpen', 'onMessage', 'method', 'onClose'];

/** The reports of all enhancers since the application was started. */
export const seen: string[] = [];

/** The places that were called since then. */
const called: Place[] = [];

/** Reports `ws onMessage (Connection, Message) Gateway.onMessage`: type, pattern, client, data, class and handler. */
function report(kind: Kind, host: ArgumentsHost): void {
  const { name } = (host as ExecutionContext).getClass() ?? {};
  const target = name ? ` ${name}.${(host as ExecutionContext).getHandler().name}` : '';
  if (host.getType() === 'http') {
    const { method, url } = host.switchToHttp().getRequest<{ method: string; url: string }>();
    seen.push(`${kind} http ${method} ${url}${target}`);
    return;
  }
  const socket = host.switchToWs();
  const client = socket.getClient<unknown>() instanceof AnyConnection ? 'Connection' : 'something else';
  const data = (socket.getData() as object | undefined)?.constructor.name;
  seen.push(`${kind} ${host.getType()} ${socket.getPattern()} (${client}, ${data})${target}`);
}

@Injectable()
class Guard implements CanActivate {
  canActivate(context: ExecutionContext) {
    report('guard', context);
    return true;
  }
}

@Injectable()
class Interceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    report('interceptor', context);
    return next.handle();
  }
}

@Catch()
class Filter implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost) {
    report('filter', host);
    const response = host.switchToHttp().getResponse<{ status(code: number): { json(body: object): void } }>();
    if (host.getType() === 'http') response.status(418).json({ rendered: error.message });
  }
}

@Injectable()
class Pipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata) {
    seen.push(`pipe ${type} ${metatype?.name} ${JSON.stringify(value)}`);
    return value;
  }
}

const ENHANCERS = {
  guard: { type: Guard, use: UseGuards, token: APP_GUARD },
  interceptor: { type: Interceptor, use: UseInterceptors, token: APP_INTERCEPTOR },
  filter: { type: Filter, use: UseFilters, token: APP_FILTER },
  pipe: { type: Pipe, use: UsePipes, token: APP_PIPE },
} as const;

export interface Setup {
  readonly kind: Kind;
  readonly level: Level;
  /** Where a `method` enhancer stands. */
  readonly on?: Place;
  /** The place that throws. */
  readonly failsIn?: Place;
  readonly guards?: RealtimeGatewayOptions['guards'];
  /** False: the gateway has message methods alone. */
  readonly hasHooks?: boolean;
  /** True: `onMessage` takes its message with @MessageBody(). */
  readonly hasBody?: boolean;
}

function decorate(setup: Setup, gateway: Type): void {
  const { type, use } = ENHANCERS[setup.kind];
  const enhance = use(type as never) as ClassDecorator & MethodDecorator;
  if (setup.level === 'class') enhance(gateway);
  if (setup.level !== 'method') return;
  const { prototype } = gateway;
  enhance(prototype as object, setup.on!, Object.getOwnPropertyDescriptor(prototype, setup.on!)!);
}

type Enter = (place: Place) => void;

function methodsOf(enter: Enter, guards: Setup['guards']) {
  @WebSocketGateway({ path: '/matrix', guards })
  class Methods {
    @SubscribeMessage('event')
    method(@MessageBody() data: object) {
      enter('method');
      return { event: 'answer', data };
    }
  }
  return Methods;
}

function hooksOf(enter: Enter, guards: Setup['guards']) {
  @WebSocketGateway({ path: '/matrix', guards })
  class Gateway {
    onHandshake() {
      enter('onHandshake');
    }
    onOpen() {
      enter('onOpen');
    }
    onMessage(connection: Connection, message: Message | object) {
      enter('onMessage');
      connection.emit('answer', message.constructor.name);
    }
    @SubscribeMessage('event')
    method(@MessageBody() data: object) {
      enter('method');
      return { event: 'answer', data };
    }
    onClose() {
      enter('onClose');
    }
  }
  return Gateway;
}

function gatewayOf(setup: Setup): Type {
  const { failsIn, guards, hasHooks = true, hasBody } = setup;
  const enter = (place: Place) => {
    called.push(place);
    if (place === failsIn) throw new WsException(`from ${place}`);
  };
  const gateway: Type = hasHooks ? hooksOf(enter, guards) : methodsOf(enter, guards);
  if (hasBody) {
    MessageBody()(gateway.prototype as object, 'onMessage', 1);
    Reflect.defineMetadata('design:paramtypes', [Object, Object], gateway.prototype as object, 'onMessage');
  }
  decorate(setup, gateway);
  return gateway;
}

/** Starts an application with one enhancer at one place. */
export async function bootMatrix(setup: Setup): Promise<TestApp> {
  seen.length = 0;
  called.length = 0;
  const { type, token } = ENHANCERS[setup.kind];
  const providers: Provider[] = [gatewayOf(setup)];
  if (setup.level === 'APP_*') providers.push({ provide: token, useClass: type });
  const imports = [RealtimeModule.forRoot({ envFile: false })];
  const moduleRef = await Test.createTestingModule({ imports, providers }).compile();
  return createTestApp(moduleRef, { configure: (app) => void (setup.level === 'useGlobal*' && useGlobal(app, setup)) });
}

function useGlobal(app: INestApplication, { kind }: Setup): void {
  if (kind === 'guard') app.useGlobalGuards(new Guard());
  if (kind === 'interceptor') app.useGlobalInterceptors(new Interceptor());
  if (kind === 'filter') app.useGlobalFilters(new Filter());
  if (kind === 'pipe') app.useGlobalPipes(new Pipe());
}

/**
 * Connects, sends a message to `onMessage` and one to the method, closes, and ends the application after `onClose`.
 *
 * @returns the messages that the client received, and `refused 418 …` or `closed 1011` where that happened
 */
export async function live(app: TestApp): Promise<string[]> {
  const client = await app.connect('/matrix').catch((error: { status: number; body: string }) => error);
  if (!('next' in client)) {
    await app.close();
    return [`refused ${client.status} ${client.body}`];
  }
  const heard: string[] = [];
  client.socket.on('message', (data) => heard.push(String(data as Buffer)));
  for (const message of ['{"to":"onMessage"}', '{"event":"event","data":{"to":"method"}}']) client.send(message);
  const handled = until(
    'both messages',
    () => called,
    (places) => places.includes('method'),
  );
  const { code } = await Promise.race([client.closed(), handled.then(() => client.close())]);
  await until(
    'the end of the connection',
    () => app.server.stats(),
    ({ current }) => current === 0,
  );
  await app.close();
  return code === 1000 ? heard : [...heard, `closed ${code}`];
}
