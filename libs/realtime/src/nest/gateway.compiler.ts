import { Inject, Injectable } from '@nestjs/common';
import { Engine } from '../engine.js';
import { OptionsError } from '../errors.js';
import type { Gateway } from '../hooks.js';
import { errorField, stackOf } from '../log.js';
import type { Message } from '../message.js';
import { compilePath, type PathRules } from '../paths.js';
import { asMessageError } from './exception-frame.js';
import type { FoundGateway } from './gateway.explorer.js';
import { HookInvoker, type Hooks } from './hook.invoker.js';
import { MessageRouter, type Report } from './message.router.js';
import { type MessageRoute, MessageRoutes } from './message.routes.js';
import { RealtimeAdapter } from './realtime.adapter.js';
import { MessageError } from '../errors.js';

/**
 * Makes of the gateway classes on one path the one Gateway that the engine calls. At most one of them has hooks; Nest's
 * own gateways may share a path, with it and among themselves.
 */
@Injectable()
export class GatewayCompiler {
  constructor(
    @Inject(HookInvoker) private readonly invoker: HookInvoker,
    @Inject(MessageRoutes) private readonly routes: MessageRoutes,
    @Inject(RealtimeAdapter) private readonly adapter: RealtimeAdapter,
    @Inject(Engine) private readonly engine: Engine,
  ) {}

  /** @throws OptionsError when two gateways with hooks are on one path */
  compile(found: readonly FoundGateway[], rules: PathRules): Gateway[] {
    const byPath = new Map<string, FoundGateway[]>();
    for (const gateway of found) {
      for (const path of gateway.paths) byPath.set(path, [...(byPath.get(path) ?? []), gateway]);
    }
    return [...byPath].map(([path, gateways]) => ({
      path,
      match: compilePath(path, rules),
      ...this.merge(path, gateways),
    }));
  }

  private merge(path: string, gateways: readonly FoundGateway[]): Omit<Gateway, 'path'> {
    const [hooked, another] = gateways.filter(({ hasHooks }) => hasHooks);
    if (hooked && another) {
      const names = `${hooked.name} and ${another.name}`;
      throw new OptionsError(`${names} both have hooks on the path ${path}: give one of them another path`);
    }
    const name = gateways.map((gateway) => gateway.name).join(' + ');
    const hooks: Hooks = hooked ? this.invoker.compile(hooked) : {};
    return {
      name,
      // A Nest gateway is not a route of the HTTP application, as ever
      answersGet: hooked !== undefined,
      middleware: hooked?.middleware ?? false,
      keepContext: hooked?.keepContext ?? false,
      ...hooks,
      ...this.lifecycle(hooks, gateways),
      onMessage: this.messages(hooks, gateways),
    };
  }

  /** `handleConnection` and `handleDisconnect`, after the hooks of the same moment. */
  private lifecycle(hooks: Hooks, gateways: readonly FoundGateway[]): Pick<Gateway, 'onOpen' | 'onClose'> {
    const connecting = gateways.filter(({ instance }) => instance.handleConnection);
    const disconnecting = gateways.filter(({ instance }) => instance.handleDisconnect);
    const { onOpen, onClose } = hooks;
    return {
      onOpen:
        connecting.length === 0
          ? onOpen
          : async (connection, request) => {
              await onOpen?.(connection, request);
              for (const { instance } of connecting) await instance.handleConnection!(connection, request.raw);
            },
      onClose:
        disconnecting.length === 0
          ? onClose
          : async (connection, close) => {
              await onClose?.(connection, close);
              for (const { instance } of disconnecting) await instance.handleDisconnect!(connection, close.code);
            },
    };
  }

  private messages({ onMessage }: Hooks, gateways: readonly FoundGateway[]): Gateway['onMessage'] {
    const routes = new Map<string, MessageRoute>();
    for (const gateway of gateways) for (const [event, route] of this.routes.of(gateway)) routes.set(event, route);
    if (routes.size === 0 && onMessage) return onMessage;
    const parse = (message: Message) => this.adapter.parse(message);
    const router = new MessageRouter(routes, onMessage, parse, this.report);
    return (connection, message) => router.receive(connection, message);
  }

  /** A client's own mistake is no fault of the server's: it is not logged with a stack. */
  private readonly report: Report = (connection, event, error) => {
    if (asMessageError(error) instanceof MessageError) return;
    const at = `id=${connection.id} event=${errorField(event)}`;
    this.engine.counters.hookErrors++;
    this.engine.log.error(`WebSocket message method failed ${at} error=${errorField(error)}`, stackOf(error));
  };
}
