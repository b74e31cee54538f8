import {
  type ApplicationConfig,
  type ContextId,
  ContextIdFactory,
  MetadataScanner,
  ModuleRef,
  type ModulesContainer,
} from '@nestjs/core';
import { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
import { GatewayMetadataExplorer } from '@nestjs/websockets/gateway-metadata-explorer.js';
import type { Connection } from '../../connection.js';
import type { EnhancerKind } from './enhancer-kinds.js';
import type { FoundGateway } from '../found-gateway.js';

/** A gateway as one connection has it. */
export interface Scoped {
  readonly instance: FoundGateway['instance'];
  /** Absent where one instance serves all connections. */
  readonly contextId?: ContextId;
  readonly inquirerId?: string;
  /** The request-scoped ones among the global enhancers. */
  readonly globals?: Readonly<Record<EnhancerKind, readonly unknown[]>>;
}

type Wrappers = readonly { readonly token: Parameters<ModuleRef['resolve']>[0] }[];

/**
 * Request scope for gateways, as Nest 12 has it: the connection is the request. Each has one instance of a
 * request-scoped gateway and of what that injects, and `@Inject(REQUEST)` gives the Connection. What is durable is shared
 * as the application's ContextIdStrategy says. Nothing is held once the connection is gone.
 */
export class ConnectionScope {
  private readonly explorer = new GatewayMetadataExplorer(new MetadataScanner());
  private readonly entered = new WeakMap<Connection, Map<FoundGateway, Promise<Scoped>>>();

  constructor(
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    private readonly config: ApplicationConfig,
  ) {}

  /** False when one instance with the same enhancers serves all connections. */
  isNeeded({ scoped }: FoundGateway): boolean {
    return scoped !== undefined || Object.values(this.globalWrappers()).some((wrappers) => wrappers.length > 0);
  }

  /** @returns the gateway of this connection, made now if it is the first time */
  enter(found: FoundGateway, connection: Connection): Promise<Scoped> {
    const mine = this.entered.get(connection) ?? new Map<FoundGateway, Promise<Scoped>>();
    this.entered.set(connection, mine);
    const known = mine.get(found) ?? this.resolve(found, connection);
    mine.set(found, known);
    known.catch(() => mine.delete(found));
    return known;
  }

  /** The connection has ended. */
  leave(connection: Connection): void {
    this.entered.delete(connection);
    Reflect.deleteProperty(connection, REQUEST_CONTEXT_ID);
  }

  private async resolve(found: FoundGateway, connection: Connection): Promise<Scoped> {
    const { scoped, moduleKey } = found;
    const contextId = this.contextOf(connection, scoped?.isDurable ?? false);
    const globals = await this.resolveGlobals(contextId);
    if (!scoped) return { instance: found.instance, globals };
    const home = this.modules.get(moduleKey)!.providers.get(ModuleRef)!.instance as ModuleRef;
    const instance = await home.resolve<FoundGateway['instance']>(scoped.token, contextId, { strict: true });
    for (const property of this.explorer.scanForServerHooks(instance as never)) {
      Reflect.set(instance, property, Reflect.get(found.instance, property));
    }
    return { instance, contextId, inquirerId: scoped.id, globals };
  }

  /** Kept with the connection where Nest keeps it: the application may ask `ContextIdFactory.getByRequest(client)`. */
  private contextOf(connection: Connection, isDurable: boolean): ContextId {
    const contextId = ContextIdFactory.getByRequest(connection as never);
    if (Object.hasOwn(connection, REQUEST_CONTEXT_ID)) return contextId;
    Object.defineProperty(connection, REQUEST_CONTEXT_ID, { value: contextId, configurable: true });
    const { payload } = contextId as { payload?: object };
    if (!isDurable) addMissing(connection, payload);
    this.moduleRef.registerRequestByContextId(isDurable ? payload : connection, contextId);
    return contextId;
  }

  private async resolveGlobals(contextId: ContextId): Promise<Scoped['globals']> {
    const resolveAll = (wrappers: Wrappers) =>
      Promise.all(wrappers.map(({ token }) => this.moduleRef.resolve(token, contextId, { strict: false })));
    const found = Object.entries(this.globalWrappers());
    const resolved = await Promise.all(found.map(async ([kind, list]) => [kind, await resolveAll(list)] as const));
    return Object.fromEntries(resolved) as Record<EnhancerKind, unknown[]>;
  }

  private globalWrappers(): Record<EnhancerKind, Wrappers> {
    const { config } = this;
    return {
      guards: config.getGlobalRequestGuards(),
      interceptors: config.getGlobalRequestInterceptors(),
      pipes: config.getGlobalRequestPipes(),
      filters: config.getGlobalRequestFilters(),
    };
  }
}

/** Nest writes a strategy's payload to the client; here nothing of the Connection is overwritten. */
function addMissing(connection: Connection, payload: object | undefined): void {
  for (const [name, value] of Object.entries(payload ?? {})) {
    if (!(name in connection)) Reflect.set(connection, name, value);
  }
}
