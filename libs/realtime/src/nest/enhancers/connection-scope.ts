import {
  type ApplicationConfig,
  type ContextId,
  ContextIdFactory,
  type ModuleRef,
  type ModulesContainer,
} from '@nestjs/core';
import type { Connection } from '../../connection.js';
import type { FoundGateway } from '../found-gateway.js';
import { requireNoHooks } from '../gateways/gateway-hooks.js';
import { type EnhancerKind, scopedGlobals } from '../internals/nest-enhancers.js';
import { moduleRefOf, REQUEST_CONTEXT_ID, serverPropertiesOf } from '../internals/nest.js';

/** The instance of a gateway that serves one connection. */
export interface Scoped {
  readonly instance: FoundGateway['instance'];
  /** Absent when one instance serves all connections. */
  readonly contextId?: ContextId;
  readonly inquirerId?: string;
  /** The request-scoped global enhancers, resolved for this connection. */
  readonly globals?: Readonly<Record<EnhancerKind, readonly unknown[]>>;
}

/**
 * Request scope for gateways, as in Nest 12: the connection is the request. Each connection has one instance of a
 * request-scoped gateway and of everything that the gateway injects, and `@Inject(REQUEST)` injects the Connection. Durable
 * providers are shared as the application's ContextIdStrategy decides. Nothing is held once the connection is gone.
 */
export class ConnectionScope {
  private readonly entered = new WeakMap<Connection, Map<FoundGateway, Promise<Scoped>>>();

  constructor(
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    private readonly config: ApplicationConfig,
  ) {}

  /** False when one instance with the same enhancers serves all connections. */
  isNeeded({ scoped }: FoundGateway): boolean {
    return scoped !== undefined || Object.values(scopedGlobals(this.config)).some((globals) => globals.length > 0);
  }

  /** @returns the gateway of this connection; the first call creates it */
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
    const home = moduleRefOf(this.modules, moduleKey);
    const instance = await home.resolve<FoundGateway['instance']>(scoped.token, contextId, { strict: true });
    requireNoHooks(found.name, instance);
    for (const property of serverPropertiesOf(instance)) {
      Reflect.set(instance, property, Reflect.get(found.instance, property));
    }
    return { instance, contextId, inquirerId: scoped.id, globals };
  }

  /** The context is kept where Nest looks for it, so that the application can call `ContextIdFactory.getByRequest(client)`. */
  private contextOf(connection: Connection, isDurable: boolean): ContextId {
    const contextId = ContextIdFactory.getByRequest(connection);
    if (Object.hasOwn(connection, REQUEST_CONTEXT_ID)) return contextId;
    Object.defineProperty(connection, REQUEST_CONTEXT_ID, { value: contextId, configurable: true });
    const { payload } = contextId as { payload?: object };
    if (!isDurable) addMissing(connection, payload);
    this.moduleRef.registerRequestByContextId(isDurable ? payload : connection, contextId);
    return contextId;
  }

  private async resolveGlobals(contextId: ContextId): Promise<Scoped['globals']> {
    const found = Object.entries(scopedGlobals(this.config));
    const resolved = found.map(async ([kind, globals]) => {
      const each = globals.map(({ token }) => this.moduleRef.resolve(token, contextId, { strict: false }));
      return [kind, await Promise.all(each)] as const;
    });
    return Object.fromEntries(await Promise.all(resolved)) as Record<EnhancerKind, unknown[]>;
  }
}

/** Nest writes the payload of a strategy to the client. Members of the Connection are not overwritten. */
function addMissing(connection: Connection, payload: object | undefined): void {
  for (const [name, value] of Object.entries(payload ?? {})) {
    if (!(name in connection)) Reflect.set(connection, name, value);
  }
}
