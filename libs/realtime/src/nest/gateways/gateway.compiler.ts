import { Inject, Injectable } from '@nestjs/common';
import type { Connection } from '../../connection.js';
import { Engine } from '../../engine.js';
import { OptionsError } from '../../errors.js';
import type { Gateway } from '../../gateway.js';
import { bySpecificity, compilePath, type PathRules } from '../../handshake/paths.js';
import { Enhancers } from '../enhancers/enhancers.js';
import type { FoundGateway } from '../found-gateway.js';
import { ErrorReplies } from '../messages/error-replies.js';
import { type MessageMethod, MessageMethods } from '../messages/message-methods.js';
import { MessageRouter } from '../messages/message-router.js';
import { RealtimeAdapter } from '../realtime.adapter.js';
import { type CompiledHooks, HookInvoker } from './hook-invoker.js';
import { nodeRequest } from './verify-client.js';

/** The part of a gateway that gets messages. */
type Receiving = Pick<Gateway, 'onMessage' | 'onWaiting' | 'requestId'>;

/**
 * Compiles the gateway classes on one path into the single Gateway that the engine calls. At most one of them has hooks;
 * gateways without hooks may share its path.
 */
@Injectable()
export class GatewayCompiler {
  private readonly errors: ErrorReplies;

  constructor(
    @Inject(HookInvoker) private readonly invoker: HookInvoker,
    @Inject(MessageMethods) private readonly methods: MessageMethods,
    @Inject(RealtimeAdapter) private readonly adapter: RealtimeAdapter,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(Enhancers) private readonly enhancers: Enhancers,
  ) {
    this.errors = new ErrorReplies(engine.node);
  }

  /**
   * @returns the gateways in the order in which their paths are tried
   * @throws OptionsError when two gateways with hooks are on one path
   */
  compile(found: readonly FoundGateway[], rules: PathRules): Gateway[] {
    const byPath = new Map<string, FoundGateway[]>();
    for (const gateway of found) {
      for (const path of gateway.paths) byPath.set(path, [...(byPath.get(path) ?? []), gateway]);
    }
    const entries = [...byPath];
    if (rules.prefersStatic) entries.sort(([one], [other]) => bySpecificity(one, other));
    return entries.map(([path, gateways]) => ({
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
    const hooks: CompiledHooks = hooked ? this.invoker.compile(hooked) : {};
    return {
      name: gateways.map((gateway) => gateway.name).join(' + '),
      // As in Nest, a gateway without hooks is not a route of the HTTP application
      answersGet: hooked !== undefined,
      middleware: hooked?.middleware ?? false,
      keepContext: hooked?.keepContext ?? false,
      recheck: hooked?.recheck ?? false,
      slowConsumer: hooked?.slowConsumer,
      transports: hooked?.transports,
      protocols: hooked?.protocols ?? gateways.find(({ protocols }) => protocols)?.protocols,
      guard: this.guard(gateways),
      ...hooks,
      onOpen: this.open(hooks, gateways),
      ...this.messages(hooks, gateways),
      onClose: this.close(hooks, gateways),
    };
  }

  private guard(gateways: readonly FoundGateway[]): Gateway['guard'] {
    const guards = gateways.map((gateway) => this.invoker.guard(gateway)).filter((guard) => guard !== undefined);
    if (guards.length === 0) return undefined;
    return async (request, response) => {
      for (const guard of guards) await guard(request, response);
    };
  }

  /** `onOpen`, then `handleConnection` of each gateway. Request-scoped gateways are created here. */
  private open({ onOpen }: CompiledHooks, gateways: readonly FoundGateway[]): Gateway['onOpen'] {
    const connecting = gateways.filter(({ instance, scoped }) => instance.handleConnection ?? scoped);
    if (connecting.length === 0) return onOpen;
    return async (connection, request) => {
      await onOpen?.(connection, request);
      for (const gateway of connecting) {
        const instance = await this.instanceFor(gateway, connection);
        await instance.handleConnection?.(connection, nodeRequest(request.raw));
      }
    };
  }

  /** `onClose`, then `handleDisconnect` of each gateway. All of them run even if one fails; the first error is thrown. */
  private close({ onClose }: CompiledHooks, gateways: readonly FoundGateway[]): Gateway['onClose'] {
    const disconnecting = gateways.filter(({ instance }) => instance.handleDisconnect);
    const isScoped = gateways.some((gateway) => this.enhancers.scope.isNeeded(gateway));
    if (disconnecting.length === 0 && !isScoped) return onClose;
    return async (connection, close) => {
      const disconnect = disconnecting.map((gateway) => async () => {
        const instance = await this.instanceFor(gateway, connection);
        await instance.handleDisconnect!(connection, close.code);
      });
      try {
        await inTurn([async () => onClose?.(connection, close), ...disconnect]);
      } finally {
        this.enhancers.scope.leave(connection);
      }
    };
  }

  private async instanceFor(gateway: FoundGateway, connection: Connection): Promise<FoundGateway['instance']> {
    return gateway.scoped ? (await this.enhancers.scope.enter(gateway, connection)).instance : gateway.instance;
  }

  private messages({ onMessage }: CompiledHooks, gateways: readonly FoundGateway[]): Receiving {
    const methods = new Map<unknown, MessageMethod[]>();
    for (const gateway of gateways) {
      for (const [event, method] of this.methods.of(gateway)) {
        methods.set(event, [...(methods.get(event) ?? []), method]);
      }
    }
    const router = new MessageRouter(methods, onMessage, this.adapter, this.errors, this.engine.node);
    return {
      onMessage: (connection, message) => router.receive(connection, message),
      onWaiting: (connection, message) => router.onWaiting(connection, message),
      requestId: (message) => router.requestId(message),
    };
  }
}

async function inTurn(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const task of tasks) await task().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
