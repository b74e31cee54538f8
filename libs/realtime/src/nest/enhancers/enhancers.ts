import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator, ModuleRef, ModulesContainer } from '@nestjs/core';
import type { Connection } from '../../connection.js';
import type { FoundGateway } from '../found-gateway.js';
import {
  containerOf,
  type EnhancerKind,
  type EnhancerLookup,
  type EnhancerParts,
  enhancerPartsOf,
  globalEnhancers,
  hasEnhancers,
} from '../internals/nest-enhancers.js';
import { requestOf } from '../messages/request.js';
import { asObservable, isStreamLike } from '../replies.js';
import { ConnectionScope, type Scoped } from './connection-scope.js';
import { ErrorBoundary, GatewayFilters } from './error-boundary.js';
import { inScope, type Method, MethodContext } from './method-context.js';

/** Which guards a method gets: all that apply to it, its own alone, or none. */
export type GuardScope = 'all' | 'own' | 'none';

/** How much of Nest's treatment a method gets. */
export interface Treatment {
  /** True for a hook: its Observable is not a reply and is dropped. Interceptors of a message method see each item. */
  readonly isHook: boolean;
  readonly guards: GuardScope;
  /** True when the second argument is the body of a message, which pipes may change. */
  readonly hasBody: boolean;
  /** True when the method fails even if a filter has taken its error. */
  readonly alwaysFails?: boolean;
}

/**
 * Gives a method of a gateway the treatment of a Nest message handler: guards, interceptors, pipes and filters, global
 * ones included. It differs from Nest's own: Observables are kept, pipes touch only the body of the message, global
 * filters run too, and an error that no filter takes is thrown, so that the module decides what the client may see.
 */
@Injectable()
export class Enhancers {
  /** The instances of request-scoped gateways, one per connection. */
  readonly scope: ConnectionScope;
  private readonly parts: EnhancerParts;
  private readonly filters: GatewayFilters;

  constructor(
    @Inject(ExternalContextCreator) external: ExternalContextCreator,
    @Inject(ModuleRef) moduleRef: ModuleRef,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.parts = enhancerPartsOf(external);
    this.filters = new GatewayFilters(containerOf(moduleRef), config);
    this.scope = new ConnectionScope(modules, moduleRef, config);
  }

  /** @returns the method with everything that Nest puts around it; it rejects with an error that no filter took */
  wrap(found: FoundGateway, name: string, treatment: Treatment): Method {
    if (!this.scope.isNeeded(found)) return this.compile(found, name, treatment, { instance: found.instance });
    const boundary = new ErrorBoundary(treatment.alwaysFails);
    const handler = this.filters.create(found.instance, methodOf(found, name), found.moduleKey);
    const enter = boundary.create((connection) => this.scope.enter(found, connection as Connection), handler, name);
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
    const pipes = inScope(parts.pipesContextCreator, 'pipes', scoped, treatment.hasBody ? {} : FINDS_NOTHING);
    const guards = inScope(parts.guardsContextCreator, 'guards', scoped, FINDS_ONLY[treatment.guards]);
    const context = new MethodContext(
      treatment.isHook ? withoutStream : withItems,
      new ErrorBoundary(treatment.alwaysFails),
      inScope(this.filters, 'filters', scoped),
      {
        ...parts,
        pipesContextCreator: pipes,
        guardsContextCreator: guards,
        interceptorsContextCreator: inScope(parts.interceptorsContextCreator, 'interceptors', scoped),
      },
    );
    return context.create(instance, methodOf(scoped, name), moduleKey, name);
  }

  /** True when no enhancer applies to a method, so that it can be called directly. */
  isBare(found: FoundGateway, name: string, { guards, hasBody }: Treatment): boolean {
    const callback = methodOf(found, name);
    if (this.scope.isNeeded(found)) return false;
    const isFree = (kind: EnhancerKind) =>
      globalEnhancers(this.config, kind).length === 0 &&
      ![found.instance.constructor, callback].some((owner) => hasEnhancers(kind, owner));
    const unguarded = { all: isFree('guards'), own: !hasEnhancers('guards', callback), none: true }[guards];
    return unguarded && (!hasBody || isFree('pipes')) && isFree('interceptors') && isFree('filters');
  }
}

function withItems(result: unknown, args: readonly unknown[]): unknown {
  const items = asObservable(result);
  const request = items && requestOf(args);
  if (request) request.isSingle = false;
  return items ?? result;
}

const withoutStream = (result: unknown): unknown => (isStreamLike(result) ? undefined : result);

const nothing = (): unknown[] => [];

const FINDS_NOTHING: Partial<EnhancerLookup> = { createContext: nothing };

/** The guards that the lookup finds for each scope. */
const FINDS_ONLY: Readonly<Record<GuardScope, Partial<EnhancerLookup>>> = {
  all: {},
  own: { getGlobalMetadata: nothing, reflectClassMetadata: nothing },
  none: FINDS_NOTHING,
};

function methodOf({ instance }: Pick<FoundGateway, 'instance'>, name: string): Method {
  return (instance as Record<string, Method>)[name]!;
}
