import { type ArgumentsHost, Inject, Injectable, Logger, type PipeTransform } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator, ModuleRef } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
import { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
import { catchError, EMPTY, isObservable } from 'rxjs';

/** A method of a gateway as it is called: `(client, payload)`. */
export type Method = (...args: unknown[]) => unknown;

/** Which guards a method gets: all that apply to it, its own alone, or none. */
export type GuardScope = 'all' | 'own' | 'none';

/** What of Nest's treatment a method gets. */
export interface Treatment {
  readonly guards: GuardScope;
  /** True: the second argument is a message's body, which pipes may change. */
  readonly hasBody: boolean;
  /** True: a filter may say something about an error, and the method has failed all the same. */
  readonly alwaysFails?: boolean;
}

interface FilterHandler {
  readonly filters: { func: (error: unknown, host: ArgumentsHost) => unknown }[];
  invokeCustomFilters(error: unknown, host: ArgumentsHost): boolean;
}

/** The parts of Nest's context creators that this module puts together anew; held by a test per Nest major. */
interface ContextParts {
  readonly guardsContextCreator: object;
  readonly guardsConsumer: never;
  readonly interceptorsContextCreator: object;
  readonly interceptorsConsumer: never;
  readonly pipesContextCreator: object;
  readonly pipesConsumer: { apply(value: unknown, metadata: object, pipes: PipeTransform[]): Promise<unknown> };
}

interface Parameter {
  readonly index: number;
  readonly type: number | string;
  readonly data: unknown;
  readonly metatype: unknown;
  readonly schema?: unknown;
  readonly pipes: PipeTransform[];
  extractValue(...args: unknown[]): unknown;
}

/** `WsParamtype.PAYLOAD` */
const PAYLOAD = 3;

/**
 * Gives a method of a gateway the treatment of a Nest message handler: guards, interceptors, pipes and filters, global
 * ones included. Unlike Nest's own: Observables are kept, pipes touch only the message's body, and an error that no
 * filter takes is thrown, so that the module decides what the client may see.
 */
@Injectable()
export class Enhancers {
  private readonly parts: ContextParts;
  private readonly filters: ExceptionFiltersContext;

  constructor(
    @Inject(ExternalContextCreator) external: ExternalContextCreator,
    @Inject(ModuleRef) moduleRef: ModuleRef,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
  ) {
    this.parts = external as unknown as ContextParts;
    const { container } = moduleRef as unknown as {
      container: ConstructorParameters<typeof ExceptionFiltersContext>[0];
    };
    this.filters = new ExceptionFiltersContext(container);
  }

  /**
   * @param moduleKey where Nest looks up the enhancers that are classes
   * @param treatment what of it the method gets
   * @returns the method with all that Nest puts around it; it rejects with what no filter took
   */
  wrap(instance: object, name: string, moduleKey: string, treatment: Treatment): Method {
    const { parts } = this;
    const { guards, hasBody, alwaysFails = false } = treatment;
    const creator = new BodyPipesContextCreator(
      { create: proxyThat(alwaysFails) } as never,
      this.filters,
      (hasBody ? parts.pipesContextCreator : Object.create(parts.pipesContextCreator, { create: NOTHING })) as never,
      parts.pipesConsumer as never,
      scoped(parts.guardsContextCreator, guards) as never,
      parts.guardsConsumer,
      parts.interceptorsContextCreator as never,
      parts.interceptorsConsumer,
    );
    const callback = (instance as Record<string, Method>)[name]!;
    return creator.create(instance as never, callback as never, moduleKey, name) as Method;
  }

  /** True when nothing of Nest stands around a method, so that it can be called as it is. */
  isBare(instance: object, name: string, guards: GuardScope): boolean {
    const callback = (instance as Record<string, object>)[name]!;
    const owners = [instance.constructor, callback];
    const has = (key: string, on: object[] = owners) => on.some((owner) => Reflect.hasMetadata(key, owner));
    const guarded =
      guards === 'none' ? false : guards === 'own' ? has(GUARDS, [callback]) : has(GUARDS) || this.hasGlobalGuards();
    return !guarded && ![INTERCEPTORS, PIPES, FILTERS].some((key) => has(key)) && !this.hasGlobalEnhancers();
  }

  private hasGlobalGuards(): boolean {
    return this.config.getGlobalGuards().length + this.config.getGlobalRequestGuards().length > 0;
  }

  private hasGlobalEnhancers(): boolean {
    const { config } = this;
    const all = [config.getGlobalInterceptors(), config.getGlobalPipes(), config.getGlobalFilters()];
    const scopedOnes = [
      config.getGlobalRequestInterceptors(),
      config.getGlobalRequestPipes(),
      config.getGlobalRequestFilters(),
    ];
    return [...all, ...scopedOnes].some((list) => list.length > 0);
  }
}

const GUARDS = '__guards__';
const INTERCEPTORS = '__interceptors__';
const PIPES = '__pipes__';
const FILTERS = '__exceptionFilters__';

const NOTHING = { value: () => [] };

/** Nest's creator of guards, which looks only where the scope says. */
function scoped(guardsContextCreator: object, guards: GuardScope): object {
  if (guards === 'all') return guardsContextCreator;
  const own = { getGlobalMetadata: NOTHING, reflectClassMetadata: NOTHING };
  return Object.create(
    guardsContextCreator,
    guards === 'own' ? own : { ...own, reflectMethodMetadata: NOTHING },
  ) as object;
}

/** Nest's WsProxy, but for an error that no filter takes: that one is thrown. */
function proxyThat(alwaysFails: boolean) {
  return (method: Method, handler: FilterHandler, pattern?: unknown): Method => {
    for (const filter of handler.filters) filter.func = settled(filter.func.bind(filter));
    const handle = (error: unknown, args: unknown[]): void => {
      if (!isTaken(handler, error, args) || alwaysFails) throw error;
    };
    return async (...args) => {
      const all = [...args, pattern];
      try {
        const result = await method(...all);
        return isObservable(result) ? result.pipe(catchError((error) => (handle(error, all), EMPTY))) : result;
      } catch (error) {
        handle(error, all);
        return undefined;
      }
    };
  };
}

/** A filter that fails (one that was written for HTTP alone) has taken nothing. */
function isTaken(handler: FilterHandler, error: unknown, args: unknown[]): boolean {
  const host = new ExecutionContextHost(args);
  host.setType('ws');
  try {
    return handler.invokeCustomFilters(error, host);
  } catch (failure) {
    logger.error('An exception filter failed', failure);
    return false;
  }
}

/** Nest drops what an async filter returns: without this its rejection would end the process. */
function settled(filter: (error: unknown, host: ArgumentsHost) => unknown) {
  return (error: unknown, host: ArgumentsHost): void => {
    const failed = (failure: unknown) => logger.error('An exception filter failed', failure);
    void Promise.resolve(filter(error, host)).catch(failed);
  };
}

const logger = new Logger('Realtime');

/** A global ValidationPipe would take a Connection apart: pipes touch the body, and others only what names them itself. */
class BodyPipesContextCreator extends WsContextCreator {
  override createPipesFn(
    ...[pipes, parameters]: Parameters<WsContextCreator['createPipesFn']>
  ): ReturnType<WsContextCreator['createPipesFn']> {
    const consumer = (this as unknown as { pipesConsumer: ContextParts['pipesConsumer'] }).pipesConsumer;
    const apply = async (target: unknown[], ...args: unknown[]): Promise<void> => {
      for (const parameter of parameters as unknown as Parameter[]) {
        const { index, type, data, metatype, schema } = parameter;
        const value: unknown = await parameter.extractValue(...args);
        const chosen = type === PAYLOAD ? [...pipes, ...parameter.pipes] : parameter.pipes;
        const isPiped = chosen.length > 0;
        target[index] = isPiped ? await consumer.apply(value, { metatype, type, data, schema }, chosen) : value;
      }
    };
    return parameters.length > 0 ? apply : null;
  }
}
