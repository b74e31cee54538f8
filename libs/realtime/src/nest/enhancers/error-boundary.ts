import { type ArgumentsHost, Logger } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
import { catchError, from, ignoreElements, isObservable } from 'rxjs';
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
    return this.config.getGlobalFilters() as unknown as T;
  }
}

type Catch = (error: unknown, host: ArgumentsHost) => unknown;

/** What GatewayFilters finds for a method, the closest filter first. */
interface Filters {
  readonly filters: { readonly func: Catch; readonly exceptionMetatypes: (abstract new () => unknown)[] }[];
}

interface Boundary {
  create(method: Method, found: object, pattern: string): Method;
}

/**
 * Nest's WsProxy and its exceptions handler, with three differences: an error that no filter takes is thrown, a filter
 * may be asynchronous, and one that fails has taken nothing. An application's filter may have been written for HTTP
 * alone, and its failure must neither end the process nor leave the client without an answer.
 *
 * @param alwaysFails true: a filter may say something, and the error is thrown all the same
 */
export function errorBoundary(alwaysFails = false): Boundary {
  const reported = new WeakSet<Catch>();
  return {
    create: (method, found, pattern) => {
      const handle = async (error: unknown, args: unknown[]): Promise<void> => {
        if (!(await isTaken(found as Filters, error, args, reported)) || alwaysFails) throw error;
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
    },
  };
}

async function isTaken(
  { filters }: Filters,
  error: unknown,
  args: unknown[],
  reported: WeakSet<Catch>,
): Promise<boolean> {
  const filter = filters.find(({ exceptionMetatypes: types }) => {
    return types.length === 0 || types.some((type) => error instanceof type);
  });
  if (!filter) return false;
  const host = new ExecutionContextHost(args);
  host.setType('ws');
  try {
    await filter.func(error, host);
    return true;
  } catch (failure) {
    // Thrown on as it was: the filter has nothing to say about it
    if (failure === error || reported.has(filter.func)) return false;
    reported.add(filter.func);
    report(failure);
    return false;
  }
}

const logger = new Logger('Realtime');

/** Called once per filter and method: a client can make a filter fail as often as it likes. */
function report(failure: unknown): void {
  logger.error(
    'An exception filter failed in the ws context, so the error goes its usual way. A filter for HTTP alone can ask ' +
      `host.getType() and throw the error on. ${failure instanceof Error ? failure.stack : String(failure)}`,
  );
}
