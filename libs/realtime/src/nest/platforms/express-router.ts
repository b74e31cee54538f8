/** Where the door stands among the middleware and the routes of an Express application. */
import type { HttpServer } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import {
  type ExpressApplication,
  expressOf,
  getPathsFrom,
  insertMiddleware,
  type Middleware,
  onMiddleware,
} from '../internals/express.js';

/** The position in Express's stack where Nest's middleware ends; the door stands there. */
export interface MiddlewareMark {
  readonly position: number;
}

/**
 * Follows Nest's middleware into Express's stack. The door must stand directly after the last of it: any later, a
 * catch-all controller would answer upgrades; any earlier, middleware (an authentication!) would be skipped.
 *
 * @param http the platform, before Nest registers middleware
 */
export function markMiddleware(http: HttpServer): MiddlewareMark {
  const { router } = expressOf(http);
  const mark = { position: router.stack.length };
  onMiddleware(http, () => (mark.position = router.stack.length));
  return mark;
}

/**
 * Puts the door behind Nest's middleware.
 *
 * @param paths the paths of gateways that answer a plain GET
 * @param door called for every request that reaches it
 * @param first called for every request before anything else of the application
 * @throws OptionsError when a controller answers one of the paths
 */
export function mountDoor(
  app: ExpressApplication,
  { position }: MiddlewareMark,
  paths: readonly string[],
  door: Middleware,
  first: Middleware,
): void {
  const routes = getPathsFrom(app, position);
  const taken = paths.find((path) => routes.includes(path));
  if (taken !== undefined)
    throw new OptionsError(`A gateway and a controller both answer ${taken}: give one of them another path`);
  insertMiddleware(app, position, door);
  insertMiddleware(app, 0, first);
}
