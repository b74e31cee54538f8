import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { HttpServer } from '@nestjs/common';
import { type PlatformRequest, splitTarget, targetOf } from '../../handshake-request.js';
import type { PathRules } from '../../paths.js';
import { type Door, HttpPlatform } from './http-platform.js';

type Next = (error?: unknown) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** The part of an Express 5 application that is used. */
interface ExpressApplication {
  readonly router: { readonly stack: unknown[] };
  /** The prototype of its requests: `ip`, `host` and `protocol` by its `trust proxy`. */
  readonly request: object;
  use(middleware: Middleware): void;
  enabled(setting: string): boolean;
}

type RegisterMiddleware = (path: string, callback: Middleware) => unknown;

/** Where in an Express application Nest's middleware ends; the door stands there. */
export interface MiddlewareMark {
  readonly position: number;
}

/**
 * Follows Nest's middleware into Express's stack. The door must stand directly after the last of it: further back a
 * catch-all controller would answer upgrades, further front middleware (an authentication!) would be skipped.
 *
 * @param http the platform, before Nest registers middleware
 */
export function markMiddleware(http: HttpServer): MiddlewareMark {
  const { router } = http.getInstance() as ExpressApplication;
  const mark = { position: router.stack.length };
  const original = http.createMiddlewareFactory.bind(http) as (...args: unknown[]) => RegisterMiddleware;
  http.createMiddlewareFactory = ((...args: unknown[]) => {
    const register = original(...args);
    return (path: string, callback: Middleware) => {
      const result = register(path, callback);
      mark.position = router.stack.length;
      return result;
    };
  }) as unknown as HttpServer['createMiddlewareFactory'];
  return mark;
}

export class ExpressPlatform extends HttpPlatform {
  private readonly app: ExpressApplication;

  constructor(
    http: HttpServer,
    door: Door,
    private readonly mark: MiddlewareMark,
  ) {
    super(http.getHttpServer() as Server, door);
    this.app = http.getInstance() as ExpressApplication;
  }

  get rules(): PathRules {
    return {
      isCaseSensitive: this.app.enabled('case sensitive routing'),
      isStrict: this.app.enabled('strict routing'),
    };
  }

  mount(): void {
    const { stack } = this.app.router;
    this.app.use((request, response, next) => this.answer(request, response, next));
    stack.splice(this.mark.position, 0, stack.pop());
  }

  describe(request: IncomingMessage): PlatformRequest & object {
    return Object.setPrototypeOf(request, this.app.request) as PlatformRequest & object;
  }

  addressOf(request: IncomingMessage): string | undefined {
    return this.describe(request).ip;
  }

  private answer(request: IncomingMessage, response: ServerResponse, next: Next): void {
    const isPlain = request.method === 'GET' && this.door.answersGet(splitTarget(targetOf(request)).path);
    if (!this.isVisit(request) && !isPlain) {
      next();
      return;
    }
    const setHeader = (name: string, value: string) => void response.setHeader(name, value);
    this.arrive(request, request, response, setHeader).then((upgrade) => upgrade.admit(), next);
  }
}
