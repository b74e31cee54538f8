import { Inject, Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { GATEWAY_METADATA, GATEWAY_OPTIONS, PORT_METADATA } from '@nestjs/websockets/constants.js';
import type { Connection } from '../connection.js';
import { OptionsError } from '../errors.js';
import type { OnClose, OnHandshake, OnMessage, OnOpen } from '../hooks.js';
import type { RealtimeGatewayOptions } from './gateway-options.js';
import { GatewayPaths } from './gateway.paths.js';

/** A gateway of the application as it was found. */
export interface FoundGateway {
  readonly name: string;
  readonly instance: Partial<OnHandshake & OnOpen & OnMessage & OnClose & NestHooks>;
  /** Where Nest looks up its guards, pipes, interceptors and filters. */
  readonly moduleKey: string;
  /** Its paths as clients see them: global prefix and version included where it has hooks. */
  readonly paths: readonly string[];
  readonly hasHooks: boolean;
  readonly middleware: boolean;
  readonly keepContext: boolean;
  readonly guards: NonNullable<RealtimeGatewayOptions['guards']>;
}

/** The lifecycle methods of Nest's own gateways. */
export interface NestHooks {
  handleConnection(client: Connection, request: unknown): unknown;
  handleDisconnect(client: Connection, reason: unknown): unknown;
}

const HOOKS = ['onHandshake', 'onOpen', 'onMessage', 'onClose'] as const;

type Wrapper =
  ReturnType<ReturnType<ModulesContainer['values']> extends Iterable<infer M> ? () => M : never> extends {
    providers: Map<unknown, infer W>;
  }
    ? W
    : never;

/** Finds the `@WebSocketGateway()` classes of the application. */
@Injectable()
export class GatewayExplorer {
  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(GatewayPaths) private readonly paths: GatewayPaths,
  ) {}

  /**
   * @returns each gateway class once, however many modules provide it
   * @throws OptionsError for a gateway whose hooks could never run, with the reason
   */
  find(): FoundGateway[] {
    const found = new Map<unknown, FoundGateway>();
    for (const [moduleKey, module] of this.modules) {
      for (const wrapper of module.providers.values()) {
        const { metatype } = wrapper;
        if (typeof metatype !== 'function' || wrapper.isNotMetatype || found.has(metatype)) continue;
        if (!Reflect.getMetadata(GATEWAY_METADATA, metatype)) continue;
        const gateway = this.describe(wrapper, moduleKey);
        if (gateway) found.set(metatype, gateway);
      }
    }
    return [...found.values()];
  }

  private describe(wrapper: Wrapper, moduleKey: string): FoundGateway | undefined {
    const metatype = wrapper.metatype as { name: string; prototype: object };
    const { name } = metatype;
    const hasHooks = HOOKS.some((hook) => hook in metatype.prototype);
    const options = (Reflect.getMetadata(GATEWAY_OPTIONS, metatype) ?? {}) as RealtimeGatewayOptions;
    const port = Reflect.getMetadata(PORT_METADATA, metatype) as number | undefined;
    if (hasHooks) requireUsable(name, wrapper, port);
    else if (port) return undefined;
    const { middleware = true, keepContext = false, guards = hasHooks ? 'handshake' : 'message' } = options;
    const instance = wrapper.instance as FoundGateway['instance'];
    const paths = hasHooks ? this.paths.expand(options) : [options.path ?? '/'].flat();
    return { name, instance, moduleKey, paths, hasHooks, middleware, keepContext, guards };
  }
}

function requireUsable(name: string, wrapper: Wrapper, port: number | undefined): void {
  if (port) {
    throw new OptionsError(
      `${name} names port ${port}, but hooks run on the application's own port: use @WebSocketGateway({ path })`,
    );
  }
  if (wrapper.isDependencyTreeStatic()) return;
  throw new OptionsError(
    `${name} is request-scoped, itself or through a provider it injects, but one instance serves all connections: ` +
      'make it and what it injects singletons, and keep state per connection in connection.data',
  );
}
