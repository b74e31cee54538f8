import { isPromise } from '../../awaitable.js';
import {
  type EnhancerKind,
  type EnhancerLookup,
  type EnhancerParts,
  type ExceptionFiltersContext,
  lookedUpBy,
  type PipesConsumer,
  WsContextCreator,
  WsParamtype,
  type WsProxy,
} from '../internals/nest-enhancers.js';
import type { Scoped } from './connection-scope.js';

/** A method of a gateway as it is called: `(client, payload)`. */
export type Method = (...args: unknown[]) => unknown;

/**
 * One of Nest's creators of enhancers. For a connection with a scope of its own it looks them up in that scope.
 *
 * @param steps further steps of the lookup that are replaced
 */
export function inScope<T extends EnhancerLookup>(
  creator: T,
  kind: EnhancerKind,
  { contextId, inquirerId, globals }: Scoped,
  steps: Partial<EnhancerLookup> = {},
): T {
  const scoped: Partial<EnhancerLookup> = {};
  if (globals) scoped.getGlobalMetadata = () => [...creator.getGlobalMetadata(), ...globals[kind]];
  if (contextId) {
    scoped.createContext = function (this: EnhancerLookup, instance, callback, key) {
      return creator.createContext.call(this, instance, callback, key, contextId, inquirerId);
    };
    // Nest looks up the pipes of a parameter without a context
    scoped.createConcreteContext = function (this: EnhancerLookup, metadata) {
      return creator.createConcreteContext.call(this, metadata, contextId, inquirerId);
    };
  }
  return lookedUpBy(creator, { ...scoped, ...steps });
}

type CreatePipesFn = WsContextCreator['createPipesFn'];
type ParameterInfo = Parameters<PipesConsumer['apply']>[1];

/**
 * Nest's treatment of a message handler, with three differences: pipes touch the body alone (a global ValidationPipe
 * would take a Connection apart), a parameter without decorator gets what stands at its place, and what the method
 * returns is made ready before interceptors see it.
 */
export class MethodContext extends WsContextCreator {
  private readonly pipes: PipesConsumer;
  /** Of the one method that the context is made for. */
  private pattern?: string;

  /** @param ready what interceptors see of what the method returned */
  constructor(
    ready: (result: unknown, args: readonly unknown[]) => unknown,
    boundary: WsProxy,
    filters: ExceptionFiltersContext,
    { interceptorsConsumer, ...parts }: EnhancerParts,
  ) {
    const interceptors = Object.create(interceptorsConsumer) as typeof interceptorsConsumer;
    interceptors.intercept = (list, args, instance, callback, next, type) => {
      const called = () => next().then((result) => ready(result, args));
      return interceptorsConsumer.intercept(list, args, instance, callback, called, type);
    };
    super(
      boundary,
      filters,
      parts.pipesContextCreator,
      parts.pipesConsumer,
      parts.guardsContextCreator,
      parts.guardsConsumer,
      parts.interceptorsContextCreator,
      interceptors,
    );
    this.pipes = parts.pipesConsumer;
  }

  /** Hooks have no pattern of their own: `getPattern()` returns their name. It is asked for with each call. */
  override reflectCallbackPattern(callback: (...args: unknown[]) => unknown): string {
    return (this.pattern ??= super.reflectCallbackPattern(callback) ?? callback.name);
  }

  override createPipesFn(...[pipes, parameters]: Parameters<CreatePipesFn>): ReturnType<CreatePipesFn> {
    const steps = parameters.map(({ index, type, data, metatype, schema, extractValue, pipes: own }) => {
      const chosen = type === WsParamtype.PAYLOAD ? [...pipes, ...own] : own;
      return { index, extractValue, chosen, info: { metatype, type, data, schema } as ParameterInfo };
    });
    const apply = async (target: unknown[], ...args: unknown[]): Promise<void> => {
      for (let place = 0; place < Math.min(target.length, 2); place++) target[place] = args[place];
      for (const { index, extractValue, chosen, info } of steps) {
        const found: unknown = extractValue(...args);
        const value: unknown = isPromise(found) ? await found : found;
        target[index] = chosen.length > 0 ? await this.pipes.apply(value, info, chosen) : value;
      }
    };
    return steps.length > 0 ? apply : null;
  }
}
