import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator, ModuleRef, ModulesContainer } from '@nestjs/core';
import { ConnectionScope, type Scoped } from './connection-scope.js';
import { type EnhancerKind, hasEnhancers } from './enhancer-kinds.js';
import { errorBoundary, GatewayFilters } from './error-boundary.js';
import type { FoundGateway } from '../found-gateway.js';
import { inScope, type Method, MethodContext, type Parts } from './method-context.js';
import { asObservable, isStreamLike } from '../replies.js';

/** Which guards a method gets: all that apply to it, its own alone, or none. */
export type GuardScope = 'all' | 'own' | 'none';

/** What of Nest's treatment a method gets. */
export interface Treatment {
  /** A hook's Observable is nobody's reply: it is not subscribed. Interceptors see each item of a message method's. */
  readonly isHook: boolean;
  readonly guards: GuardScope;
  /** True: the second argument is a message's body, which pipes may change. */
  readonly hasBody: boolean;
  /** True: a filter may say something about an error, and the method has failed all the same. */
  readonly alwaysFails?: boolean;
}

type Instance = FoundGateway['instance'];
type Container = ConstructorParameters<typeof GatewayFilters>[0];

/**
 * Gives a method of a gateway the treatment of a Nest message handler: guards, interceptors, pipes and filters, global
 * ones included. Unlike Nest's own: Observables are kept, pipes touch only the message's body, global filters run too,
 * and an error that no filter takes is thrown, so that the module decides what the client may see.
 */
@Injectable()
export class Enhancers {
  /** The instances of request-scoped gateways, one per connection. */
  readonly scope: ConnectionScope;
  private readonly parts: Parts;
  private readonly filters: GatewayFilters;

  constructor(
    @Inject(ExternalContextCreator) external: ExternalContextCreator,
    @Inject(ModuleRef) moduleRef: ModuleRef,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.parts = external as unknown as Parts;
    this.filters = new GatewayFilters((moduleRef as unknown as { container: Container }).container, config);
    this.scope = new ConnectionScope(modules, moduleRef, config);
  }

  /** @returns the method with all that Nest puts around it; it rejects with what no filter took */
  wrap(found: FoundGateway, name: string, treatment: Treatment): Method {
    if (!this.scope.isNeeded(found)) return this.compile(found, name, treatment, { instance: found.instance });
    const boundary = errorBoundary(treatment.alwaysFails);
    const handler = this.filters.create(found.instance, methodOf(found.instance, name), found.moduleKey);
    const enter = boundary.create((connection) => this.scope.enter(found, connection as never), handler, name);
    const compiled = new WeakMap<Scoped, Method>();
    return async (...args) => {
      const scoped = (await enter(...args)) as Scoped | undefined;
      if (!scoped) return undefined;
      const known = compiled.get(scoped) ?? this.compile(found, name, treatment, scoped);
      compiled.set(scoped, known);
      return known(...args);
    };
  }

  private compile({ moduleKey }: FoundGateway, name: string, treatment: Treatment, scoped: Scoped): Method {
    const { parts } = this;
    const { instance } = scoped;
    const noPipes: PropertyDescriptorMap = treatment.hasBody ? {} : { createContext: NOTHING };
    const context = new MethodContext(
      treatment.isHook ? withoutStream : withItems,
      errorBoundary(treatment.alwaysFails) as never,
      inScope(this.filters, 'filters', scoped),
      inScope(parts.pipesContextCreator, 'pipes', scoped, noPipes) as never,
      parts.pipesConsumer as never,
      inScope(parts.guardsContextCreator, 'guards', scoped, LOOKS_ONLY[treatment.guards]) as never,
      parts.guardsConsumer,
      inScope(parts.interceptorsContextCreator, 'interceptors', scoped) as never,
      parts.interceptorsConsumer,
    );
    return context.create(instance as never, methodOf(instance, name) as never, moduleKey, name) as Method;
  }

  /** True when nothing of Nest stands around a method, so that it can be called as it is. */
  isBare(found: FoundGateway, name: string, { guards, hasBody }: Treatment): boolean {
    const callback = methodOf(found.instance, name);
    if (this.scope.isNeeded(found)) return false;
    const isFree = (kind: EnhancerKind) =>
      globalsOf(this.config, kind).length === 0 &&
      ![found.instance.constructor, callback].some((owner) => hasEnhancers(kind, owner));
    const unguarded = { all: isFree('guards'), own: !hasEnhancers('guards', callback), none: true }[guards];
    return unguarded && (!hasBody || isFree('pipes')) && isFree('interceptors') && isFree('filters');
  }
}

const withItems = (result: unknown): unknown => asObservable(result) ?? result;
const withoutStream = (result: unknown): unknown => (isStreamLike(result) ? undefined : result);

const NOTHING = { value: () => [] };

/** Where a creator of guards does not look. */
const LOOKS_ONLY: Readonly<Record<GuardScope, PropertyDescriptorMap>> = {
  all: {},
  own: { getGlobalMetadata: NOTHING, reflectClassMetadata: NOTHING },
  none: { createContext: NOTHING },
};

function globalsOf(config: ApplicationConfig, kind: EnhancerKind): readonly unknown[] {
  if (kind === 'guards') return config.getGlobalGuards();
  if (kind === 'interceptors') return config.getGlobalInterceptors();
  return kind === 'pipes' ? config.getGlobalPipes() : config.getGlobalFilters();
}

function methodOf(instance: Instance, name: string): Method {
  return (instance as Record<string, Method>)[name]!;
}
