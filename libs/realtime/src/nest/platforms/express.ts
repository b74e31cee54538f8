import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { HttpServer } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import type { Verdict } from '../../handshake/admission.js';
import type { PathRules } from '../../handshake/paths.js';
import type { Examine } from '../../handshake/platform.js';
import type { HttpAnswer } from '../../http/exchange.js';
import {
  LazyRequest,
  type PlatformRequest,
  type RawRequest,
  splitTarget,
  targetOf,
} from '../../http/platform-request.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { type Door, HttpPlatform } from './http-platform.js';

type Next = (error?: unknown) => void;
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

interface Layer {
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> };
}

/** The part of an Express 5 application that is used. */
interface ExpressApplication {
  readonly router: { readonly stack: (Layer | undefined)[] };
  /** The prototype of its requests: `ip`, `host` and `protocol` by its `trust proxy`. */
  readonly request: object;
  readonly response: object;
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

/**
 * What Express adds to a request and a response after it has changed their prototypes, here before it does. In V8 before
 * Node 24 an object that gets a property after such a change has a hidden class of its own, so that whatever touches it
 * misses the inline caches: a third of the CPU time of a handshake.
 */
const ADDED_TO_REQUEST = {
  res: undefined,
  next: undefined,
  baseUrl: undefined,
  originalUrl: undefined,
  _parsedUrl: undefined,
  params: undefined,
};
const ADDED_TO_RESPONSE = { locals: undefined, statusCode: 200, statusMessage: undefined };

/** Express's request as far as it looks at one to tell the client's address. */
type StandIn = PlatformRequest & Pick<IncomingMessage, 'headers' | 'socket'>;

export class ExpressPlatform extends HttpPlatform {
  private readonly app: ExpressApplication;
  private standIn?: StandIn;
  /** The application tells a client's address in its own way. */
  private hasOwnRule = true;

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

  mount(paths: readonly string[]): void {
    this.hasOwnRule = Object.hasOwn(this.app.request, 'ip');
    const { stack } = this.app.router;
    const gets = stack.slice(this.mark.position).filter((layer) => layer?.route?.methods['get']);
    const taken = paths.find((path) => gets.some((layer) => layer?.route?.path === path));
    if (taken !== undefined) throw new OptionsError(`A gateway and a controller both answer ${taken}`);
    this.insert(this.mark.position, (request, response, next) => this.answer(request, response, next));
    this.insert(0, (request, _response, next) => {
      this.hideBody(request);
      next();
    });
  }

  private insert(position: number, middleware: Middleware): void {
    const { stack } = this.app.router;
    this.app.use(middleware);
    stack.splice(position, 0, stack.pop());
  }

  override pass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    Object.assign(upgrade.request, ADDED_TO_REQUEST);
    Object.assign(upgrade.response, ADDED_TO_RESPONSE);
    return super.pass(upgrade, examine);
  }

  bypass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    const responseOf = (): unknown => Object.setPrototypeOf(upgrade.response, this.app.response);
    const requestOf = () => Object.setPrototypeOf(upgrade.request, this.app.request) as RawRequest;
    return this.unlessAnswered(upgrade, examine(new LazyRequest(requestOf), responseOf));
  }

  /** Changing a request's prototype costs more than the rest of a handshake: its address is read off a stand-in. */
  addressOf({ headers, socket }: IncomingMessage): string | undefined {
    // Where nobody forwarded it, there is nothing that Express's rule could change
    if (headers['x-forwarded-for'] === undefined && !this.hasOwnRule) return socket.remoteAddress;
    const standIn = (this.standIn ??= Object.create(this.app.request) as StandIn);
    Object.assign(standIn, { headers, socket });
    const { ip } = standIn;
    Object.assign(standIn, { headers: {}, socket: undefined });
    return ip;
  }

  private answer(request: IncomingMessage, response: ServerResponse, next: Next): void {
    const visit = {
      incoming: request,
      raw: request as IncomingMessage & PlatformRequest,
      response,
      answer: new ExpressAnswer(response),
    };
    if (this.isVisit(request)) this.arrive(visit).then((upgrade) => upgrade.admit(), next);
    else if (!this.door.answersGet(splitTarget(targetOf(request)).path)) next();
    else this.answered(visit).then((isAnswered) => isAnswered || next(), next);
  }
}

class ExpressAnswer implements HttpAnswer {
  constructor(private readonly response: ServerResponse) {}

  header(name: string, value: string): void {
    this.response.setHeader(name, value);
  }

  send(status: number, body?: string): void {
    if (this.response.writableEnded) return;
    this.response.statusCode = status;
    this.response.end(body);
  }

  stream(): Writable {
    this.response.statusCode = 200;
    this.response.flushHeaders();
    return this.response;
  }

  onClose(listener: () => void): void {
    this.response.once('close', listener);
  }
}
