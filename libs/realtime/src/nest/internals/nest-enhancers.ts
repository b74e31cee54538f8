/**
 * The door to what Nest does not promise of guards, pipes, interceptors and filters: the parts from which it builds the
 * treatment of a message handler. It is built anew here, because Nest leaves global filters out for gateways and lets
 * pipes take a Connection apart. See nest.ts for the rest of the door.
 */
import {
  EXCEPTION_FILTERS_METADATA,
  GUARDS_METADATA,
  INTERCEPTORS_METADATA,
  PIPES_METADATA,
} from '@nestjs/common/constants.js';
import type { ApplicationConfig, ContextId, ExternalContextCreator, ModuleRef, NestContainer } from '@nestjs/core';
import type { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import type { GuardsContextCreator } from '@nestjs/core/guards/guards-context-creator.js';
import type { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import type { InterceptorsContextCreator } from '@nestjs/core/interceptors/interceptors-context-creator.js';
import type { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';
import type { PipesContextCreator } from '@nestjs/core/pipes/pipes-context-creator.js';
import type { WsExceptionsHandler } from '@nestjs/websockets/exceptions/ws-exceptions-handler.js';
import { MESSAGE_MAPPING_METADATA } from '@nestjs/websockets/constants.js';
import { required } from './nest.js';

/** Finds the filters of a method. */
export { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
/** Puts guards, pipes, interceptors and filters around a message handler. */
export { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
/** What catches the errors of a message handler and gives them to its filters. */
export { WsProxy } from '@nestjs/websockets/context/ws-proxy.js';
/** What a parameter of a message handler takes. */
export { WsParamtype } from '@nestjs/websockets/enums/ws-paramtype.enum.js';
export type { InterceptorsConsumer, PipesConsumer, WsExceptionsHandler };

/** Under which keys the decorators write. */
const METADATA = {
  guards: GUARDS_METADATA,
  interceptors: INTERCEPTORS_METADATA,
  pipes: PIPES_METADATA,
  filters: EXCEPTION_FILTERS_METADATA,
} as const;

export type EnhancerKind = keyof typeof METADATA;

export const ENHANCER_KINDS = Object.keys(METADATA) as readonly EnhancerKind[];

/** True when a class or a method has enhancers of its own of that kind. */
export function hasEnhancers(kind: EnhancerKind, owner: object): boolean {
  return Reflect.hasMetadata(METADATA[kind], owner);
}

/** The enhancers of one kind that stand on a class or a method: classes and instances. */
export function enhancersOn(kind: EnhancerKind, owner: object): readonly unknown[] {
  return (Reflect.getMetadata(METADATA[kind], owner) as unknown[] | undefined) ?? [];
}

/** Like `hasEnhancers`, without those that the owner inherits. */
export function hasOwnEnhancers(kind: EnhancerKind, owner: object): boolean {
  return Reflect.hasOwnMetadata(METADATA[kind], owner);
}

/** True when a method stands under `@SubscribeMessage()`. */
export function isMessageMethod(method: object): boolean {
  return Reflect.hasMetadata(MESSAGE_MAPPING_METADATA, method);
}

/** True when a decorator that is not an enhancer has marked a method, such as `@OnEvent()`. */
export function hasOtherMetadata(method: object): boolean {
  const keys: unknown[] = Object.values(METADATA);
  return Reflect.getMetadataKeys(method).some((key) => !keys.includes(key));
}

/** The global enhancers of one kind, without the request-scoped ones. */
export function globalEnhancers(config: ApplicationConfig, kind: EnhancerKind): readonly unknown[] {
  if (kind === 'guards') return config.getGlobalGuards();
  if (kind === 'interceptors') return config.getGlobalInterceptors();
  return kind === 'pipes' ? config.getGlobalPipes() : config.getGlobalFilters();
}

/** What `ModuleRef.resolve` takes. */
type Token = Parameters<ModuleRef['resolve']>[0];

/** The request-scoped global enhancers, which are resolved for each connection. */
export function scopedGlobals(config: ApplicationConfig): Record<EnhancerKind, readonly { readonly token: Token }[]> {
  return {
    guards: config.getGlobalRequestGuards(),
    interceptors: config.getGlobalRequestInterceptors(),
    pipes: config.getGlobalRequestPipes(),
    filters: config.getGlobalRequestFilters(),
  };
}

/** The steps in which Nest looks up the enhancers of a method; `lookedUpBy` replaces single ones. */
export interface EnhancerLookup {
  createContext(instance: object, callback: object, key: string, contextId?: ContextId, inquirerId?: string): unknown[];
  createConcreteContext(metadata: unknown[], contextId?: ContextId, inquirerId?: string): unknown[];
  getGlobalMetadata(): unknown[];
  reflectClassMetadata(instance: object, key: string): unknown;
}

/** @returns a creator that behaves like the given one, except for the steps that are replaced */
export function lookedUpBy<T extends EnhancerLookup>(creator: T, steps: Partial<EnhancerLookup>): T {
  return Object.assign(Object.create(creator) as T, steps);
}

/** The parts that Nest gives to a WsContextCreator of its own. */
export interface EnhancerParts {
  readonly guardsContextCreator: GuardsContextCreator;
  readonly guardsConsumer: GuardsConsumer;
  readonly interceptorsContextCreator: InterceptorsContextCreator;
  readonly interceptorsConsumer: InterceptorsConsumer;
  readonly pipesContextCreator: PipesContextCreator;
  readonly pipesConsumer: PipesConsumer;
}

/**
 * The parts that the ExternalContextCreator of the application holds; Nest has no factory for them.
 *
 * @throws OptionsError when this version of Nest does not have one of them
 */
export function enhancerPartsOf(external: ExternalContextCreator): EnhancerParts {
  const held = external as unknown as Partial<EnhancerParts>;
  const part = <N extends keyof EnhancerParts>(name: N): EnhancerParts[N] =>
    required<EnhancerParts[N]>(held[name], `ExternalContextCreator.${name}`);
  return {
    guardsContextCreator: part('guardsContextCreator'),
    guardsConsumer: part('guardsConsumer'),
    interceptorsContextCreator: part('interceptorsContextCreator'),
    interceptorsConsumer: part('interceptorsConsumer'),
    pipesContextCreator: part('pipesContextCreator'),
    pipesConsumer: part('pipesConsumer'),
  };
}

/**
 * The container, from which an ExceptionFiltersContext is made.
 *
 * @throws OptionsError when this version of Nest does not have it there
 */
export function containerOf(moduleRef: ModuleRef): NestContainer {
  return required((moduleRef as unknown as { container?: NestContainer }).container, 'ModuleRef.container');
}

/** A filter of a method, and the errors that it catches; all of them when it names none. */
export interface FoundFilter {
  readonly func: (error: unknown, host: object) => unknown;
  readonly exceptionMetatypes: readonly (abstract new () => unknown)[];
}

/**
 * What an ExceptionFiltersContext has found for a method, the closest filter first.
 *
 * @throws OptionsError when this version of Nest does not have it there
 */
export function filtersOf(handler: WsExceptionsHandler): readonly FoundFilter[] {
  return required((handler as unknown as { filters?: readonly FoundFilter[] }).filters, 'WsExceptionsHandler.filters');
}
