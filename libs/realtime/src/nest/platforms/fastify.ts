import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import { parse } from 'node:querystring';
import { PassThrough, type Writable } from 'node:stream';
import { type HttpServer, NotFoundException } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import type { Verdict } from '../../handshake/admission.js';
import { isDecodable, type PathRules } from '../../handshake/paths.js';
import type { Examine } from '../../handshake/platform.js';
import type { HttpAnswer } from '../../http/exchange.js';
import { LazyRequest, type PlatformRequest, splitTarget } from '../../http/platform-request.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { isPreflight, isUpstream } from '../../transports/requests/request-transport.js';
import { type Door, HttpPlatform } from './http-platform.js';

interface FastifyRequest extends PlatformRequest {
  readonly raw: IncomingMessage;
  readonly log: unknown;
}

interface FastifyReply {
  getHeaders(): OutgoingHttpHeaders;
  readonly raw: ServerResponse;
  readonly sent: boolean;
  header(name: string, value: string): FastifyReply;
  code(status: number): FastifyReply;
  send(body?: unknown): FastifyReply;
}

interface RouterOptions {
  readonly caseSensitive?: boolean;
  readonly ignoreTrailingSlash?: boolean;
  readonly ignoreDuplicateSlashes?: boolean;
}

/** The part of a Fastify 5 instance that is used. */
interface FastifyInstance {
  readonly initialConfig: RouterOptions & { readonly routerOptions?: RouterOptions };
  readonly log: unknown;
  addConstraintStrategy(strategy: object): void;
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void): void;
}

type NewRequest = new (
  id: string,
  params: object,
  raw: IncomingMessage,
  query: object,
  log: unknown,
  context: undefined,
) => FastifyRequest;
type NewReply = new (raw: ServerResponse, request: FastifyRequest, log: unknown) => FastifyReply;

function kindOf(request: IncomingMessage): 'upstream' | 'preflight' | undefined {
  if (isUpstream(request)) return 'upstream';
  return isPreflight(request) ? 'preflight' : undefined;
}

/** How Fastify's router tells our requests from others of the same method and path. */
const KIND_OF_REQUEST = {
  name: 'realtime',
  deriveConstraint: kindOf,
  storage: () => new Map<string, unknown>(),
  mustMatchWhenDerived: false,
};

/** Fastify: the door is a route of its own, so hooks and plugins run as for a controller's. */
export class FastifyPlatform extends HttpPlatform {
  private readonly instance: FastifyInstance;
  private readonly Request?: NewRequest;
  private readonly Reply?: NewReply;

  constructor(
    private readonly http: HttpServer,
    door: Door,
  ) {
    super(http.getHttpServer() as Server, door);
    this.instance = http.getInstance() as FastifyInstance;
    this.Request = classOf(this.instance, 'fastify.Request');
    this.Reply = classOf(this.instance, 'fastify.Reply');
  }

  get rules(): PathRules {
    const { initialConfig } = this.instance;
    const router: RouterOptions = { ...initialConfig, ...initialConfig.routerOptions };
    return {
      isCaseSensitive: router.caseSensitive ?? true,
      isStrict: true,
      isWildcardOptional: true,
      prefersStatic: true,
      prepare: (path) => prepared(path, router),
    };
  }

  mount(paths: readonly string[]): void {
    if (paths.length === 0) return;
    this.instance.addConstraintStrategy(KIND_OF_REQUEST);
    this.instance.addHook('onRequest', (request, _reply, done) => {
      this.hideBody(request.raw);
      done();
    });
    for (const path of paths) this.addRoute(path);
  }

  async bypass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    const { request } = upgrade;
    const { Reply } = this;
    const raw = this.requestOf(request);
    if (!raw || !Reply)
      return this.unlessAnswered(
        upgrade,
        examine(LazyRequest.of(request), () => upgrade.response),
      );
    let reply: FastifyReply | undefined;
    try {
      const replyOf = () => (reply = new Reply(upgrade.response, raw, raw.log));
      return await this.unlessAnswered(upgrade, examine(LazyRequest.of(raw), replyOf));
    } finally {
      const headers = Object.entries(reply?.getHeaders() ?? {}) as [string, string][];
      if (reply && !upgrade.isAnswered) upgrade.response.setHeaders(new Map(headers));
    }
  }

  /** Whether Fastify trusts the proxy is known only to the request objects that it makes. */
  addressOf(request: IncomingMessage): string | undefined {
    const raw = this.requestOf(request);
    if (raw) return raw.ip;
    return 'x-forwarded-for' in request.headers ? undefined : request.socket.remoteAddress;
  }

  /** As Fastify makes it on the request's way in; here nothing is on its way. */
  private requestOf(request: IncomingMessage): FastifyRequest | undefined {
    const { Request } = this;
    const query = parse(splitTarget(request.url ?? '').query);
    return Request && new Request('', {}, request, query, this.instance.log, undefined);
  }

  private addRoute(path: string): void {
    // find-my-way calls a wildcard `*`, path-to-regexp `*name`
    const route = path.replace(/\*\w+/g, '*');
    try {
      this.http.get(route, this.handler());
    } catch (error) {
      throw new OptionsError(`A gateway and a controller both answer ${path}: ${(error as Error).message}`);
    }
    for (const method of ['post', 'delete'] as const) this.http[method](route, this.handler('upstream'));
    this.http.options(route, this.handler('preflight'));
  }

  /** @param kind the only requests that it takes; the application's own routes of this path have the others */
  private handler(kind?: ReturnType<typeof kindOf>) {
    const handler = (request: FastifyRequest, reply: FastifyReply) => this.answer(request, reply);
    // As Nest's own decorator `@RouteConstraints()` notes it
    if (kind) Reflect.defineMetadata('__fastify_route_constraints__', { [KIND_OF_REQUEST.name]: kind }, handler);
    return handler;
  }

  /** `reply.send()`, not `hijack()`: cookie and session are written by hooks that run on sending. */
  private async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const visit = { incoming: request.raw, raw: request, response: reply, answer: new FastifyAnswer(reply) };
    if (this.isVisit(request.raw)) {
      const upgrade = await this.arrive(visit);
      upgrade.hold();
      return reply.code(101).send();
    }
    if (!(await this.answered(visit))) throw new NotFoundException(`Cannot ${request.raw.method} ${request.raw.url}`);
    return reply;
  }
}

class FastifyAnswer implements HttpAnswer {
  constructor(private readonly reply: FastifyReply) {}

  header(name: string, value: string): void {
    this.reply.header(name, value);
  }

  send(status: number, body?: string): void {
    if (!this.reply.sent) this.reply.code(status).send(body);
  }

  stream(): Writable {
    const stream = new PassThrough();
    this.reply.code(200).send(stream);
    return stream;
  }

  onClose(listener: () => void): void {
    this.reply.raw.once('close', listener);
  }
}

/** What find-my-way makes of a path: all is decoded but the characters that mean something in one. */
function prepared(path: string, { ignoreTrailingSlash, ignoreDuplicateSlashes }: RouterOptions): string {
  const single = ignoreDuplicateSlashes ? path.replace(/\/\/+/g, '/') : path;
  const whole = isDecodable(single) ? decodeURI(single.replaceAll('%25', '%2525')) : single;
  return ignoreTrailingSlash ? whole.replace(/(.)\/$/, '$1') : whole;
}

/** Fastify keeps the classes of its requests and replies, with all decorations, under symbols of its own. */
function classOf<T>(instance: object, description: string): T | undefined {
  const symbol = Object.getOwnPropertySymbols(instance).find((each) => each.description === description);
  return symbol && (instance as Record<symbol, T>)[symbol];
}
