import { Logger } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { catchError, from, ignoreElements, isObservable } from 'rxjs';
import {
  ExceptionFiltersContext,
  filtersOf,
  type FoundFilter,
  globalEnhancers,
  type WsExceptionsHandler,
  WsProxy,
} from '../internals/nest-enhancers.js';
import { wsArguments } from '../internals/nest.js';
import { isClientFault } from '../messages/exception-frame.js';
import { answeringAs } from '../messages/filter-answers.js';
import { requestOf } from '../messages/request.js';
import type { Method } from './method-context.js';

/** Finds the filters of a method. Nest's own leaves global ones out for gateways. */
export class GatewayFilters extends ExceptionFiltersContext {
  constructor(
    container: ConstructorParameters<typeof ExceptionFiltersContext>[0],
    private readonly config: ApplicationConfig,
  ) {
    super(container);
  }

  override getGlobalMetadata<T extends unknown[]>(): T {
    return globalEnhancers(this.config, 'filters') as T;
  }
}

/**
 * Catches the errors of a method and gives them to its filters, as Nest does, with four differences: an error that no
 * filter takes is thrown, a filter may be asynchronous, a filter that throws an error for the client has replaced the
 * error, and a filter that fails otherwise has not taken it. An application's filter may have been written for HTTP
 * alone, and its failure must neither end the process nor leave the client without an answer.
 */
export class ErrorBoundary extends WsProxy {
  private readonly reported = new WeakSet<FoundFilter['func']>();

  /** @param alwaysFails true: a filter may say something, and the error is thrown all the same */
  constructor(private readonly alwaysFails = false) {
    super();
  }

  override create(
    method: Method,
    handler: WsExceptionsHandler,
    pattern?: string,
  ): (...args: unknown[]) => Promise<unknown> {
    const filters = filtersOf(handler);
    const handle = async (error: unknown, args: unknown[]): Promise<void> => {
      await this.filter(filters, error, args);
      if (this.alwaysFails) throw error;
    };
    return async (...args) => {
      const all = [...args, pattern];
      try {
        const result = await method(...all);
        if (!isObservable(result)) return result;
        return result.pipe(catchError((error) => from(handle(error, all)).pipe(ignoreElements())));
      } catch (error) {
        await handle(error, all);
        return undefined;
      }
    };
  }

  /** @throws what the client is to learn: the error when no filter took it, or an error that a filter threw instead */
  private async filter(filters: readonly FoundFilter[], error: unknown, args: unknown[]): Promise<void> {
    const filter = filters.find(({ exceptionMetatypes: types }) => {
      return types.length === 0 || types.some((type) => error instanceof type);
    });
    if (!filter) throw error;
    try {
      await answeringAs(requestOf(args), () => filter.func(error, wsArguments(args)));
    } catch (failure) {
      throw this.isForClient(filter, error, failure) ? failure : error;
    }
  }

  /** A filter that throws the error on has nothing to say about it. */
  private isForClient({ func }: FoundFilter, error: unknown, failure: unknown): boolean {
    if (failure === error || isClientFault(failure)) return true;
    if (!this.reported.has(func)) report(failure);
    this.reported.add(func);
    return false;
  }
}

const logger = new Logger('Realtime');

/** Called once per filter and method, because a client can make a filter fail as often as it likes. */
function report(failure: unknown): void {
  logger.error(
    'An exception filter failed in the ws context, so the error is handled as if no filter had taken it. A filter that ' +
      `is written for HTTP alone can check host.getType() and rethrow the error. ${failure instanceof Error ? failure.stack : String(failure)}`,
  );
}
