/**
 * The door to what Express 5 and Nest's adapter for it do not promise: the router's stack, the moments at which Nest
 * registers middleware, the prototypes of a request and a response, and the properties that Express adds to them. Each has
 * a test that fails by name when a new version changes it: docs/architecture.md, "What is not public".
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpServer } from '@nestjs/common';

type Next = (error?: unknown) => void;

export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

interface Layer {
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> };
}

/** The part of an Express 5 application that is used. */
export interface ExpressApplication {
  readonly router: { readonly stack: (Layer | undefined)[] };
  /** The prototype of its requests: `ip`, `host` and `protocol` by its `trust proxy`. */
  readonly request: object;
  readonly response: object;
  use(middleware: Middleware): void;
  enabled(setting: string): boolean;
}

export function expressOf(http: HttpServer): ExpressApplication {
  return http.getInstance() as ExpressApplication;
}

/** Calls back each time Nest has registered middleware. */
export function onMiddleware(http: HttpServer, registered: () => void): void {
  const createFactory = http.createMiddlewareFactory.bind(http);
  http.createMiddlewareFactory = (method) => {
    const register = createFactory(method) as Exclude<ReturnType<typeof createFactory>, Promise<unknown>>;
    return (path, callback) => {
      const result: unknown = register(path, callback);
      registered();
      return result;
    };
  };
}

/** Puts middleware at a place in the stack, where `use` only appends. */
export function insertMiddleware(app: ExpressApplication, position: number, middleware: Middleware): void {
  const { stack } = app.router;
  app.use(middleware);
  stack.splice(position, 0, stack.pop());
}

/** The paths that routes for GET have, from a place in the stack on. */
export function getPathsFrom({ router }: ExpressApplication, position: number): unknown[] {
  const routes = router.stack.slice(position).map((layer) => layer?.route);
  return routes.filter((route) => route?.methods['get']).map((route) => route?.path);
}

/** What Express adds to a request on its way in. */
export const ADDED_TO_REQUEST = {
  res: undefined,
  next: undefined,
  baseUrl: undefined,
  originalUrl: undefined,
  _parsedUrl: undefined,
  params: undefined,
};

/**
 * The key under which Express's router adds the route that matched, from router 2.3 on. Every copy of the router has a
 * symbol of its own, which only a request that has passed it shows.
 *
 * @returns undefined where the router adds none
 */
export function matchedRouteKey(request: object): symbol | undefined {
  return Object.getOwnPropertySymbols(request).find(({ description }) => description === 'router.tracing.matchedRoute');
}

/** What Express adds to a response, and what Node sets on it later. */
export const ADDED_TO_RESPONSE = { locals: undefined, statusCode: 200, statusMessage: undefined };
