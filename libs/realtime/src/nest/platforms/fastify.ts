import type { IncomingMessage, Server } from 'node:http';
import { PassThrough, type Writable } from 'node:stream';
import { type HttpServer, NotFoundException } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import type { Verdict } from '../../handshake/admission.js';
import { isDecodable, type PathRules } from '../../handshake/paths.js';
import type { Examine } from '../../handshake/platform.js';
import type { HttpAnswer } from '../../http/exchange.js';
import { LazyRequest } from '../../http/platform-request.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { isPreflight, isUpstream } from '../../transports/requests/request-transport.js';
import { constrain, FastifyClasses, type FastifyReply, type FastifyRequest } from '../internals/fastify.js';
import { type Door, endedStream, HttpPlatform, onceOver } from './http-platform.js';

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

function kindOf(request: IncomingMessage): 'upstream' | 'preflight' | undefined {
  if (isUpstream(request)) return 'upstream';
  return isPreflight(request) ? 'preflight' : undefined;
}

/** The constraint by which Fastify's router separates our requests from others with the same method and path. */
const KIND_OF_REQUEST = {
  name: 'realtime',
  deriveConstraint: kindOf,
  storage: () => new Map<string, unknown>(),
  mustMatchWhenDerived: false,
};

/** Fastify: the door is a route of its own, so hooks and plugins run as for a controller's. */
export class FastifyPlatform extends HttpPlatform {
  private readonly instance: FastifyInstance;
  private readonly classes: FastifyClasses;

  constructor(
    private readonly http: HttpServer,
    door: Door,
  ) {
    super(http.getHttpServer() as Server, door);
    this.instance = http.getInstance() as FastifyInstance;
    this.classes = new FastifyClasses(this.instance);
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
      this.hideBody(request.raw, request.is404);
      done();
    });
    for (const path of paths) this.addRoute(path);
  }

  async bypass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    const request = this.classes.request(upgrade.request);
    const responseOf = () => upgrade.response;
    if (!request) return this.unlessAnswered(upgrade, () => examine(LazyRequest.of(upgrade.request), responseOf));
    let reply: FastifyReply | undefined;
    try {
      const replyOf = () => (reply = this.classes.reply(upgrade.response, request)) ?? responseOf();
      return await this.unlessAnswered(upgrade, () => examine(LazyRequest.of(request), replyOf));
    } finally {
      const headers = Object.entries(reply?.getHeaders() ?? {}) as [string, string][];
      if (reply && !upgrade.isAnswered) upgrade.response.setHeaders(new Map(headers));
    }
  }

  /** Only Fastify's own request objects say whether Fastify trusts the proxy. */
  addressOf(node: IncomingMessage): string | undefined {
    const request = this.classes.request(node);
    if (request) return request.ip ?? '';
    return 'x-forwarded-for' in node.headers ? undefined : (node.socket.remoteAddress ?? '');
  }

  /** Fastify lists the peer, and behind it what the peer has forwarded if it is trusted. */
  trustsPeerOf(node: IncomingMessage): boolean {
    return (this.classes.request(node)?.ips?.length ?? 0) > 1;
  }

  private addRoute(path: string): void {
    // find-my-way calls a wildcard `*`, path-to-regexp `*name`
    const route = path.replace(/\*\w+/g, '*');
    try {
      this.http.get(route, this.handler());
    } catch (error) {
      throw new OptionsError(
        `A gateway and a controller both answer ${path}, give one of them another path: ${(error as Error).message}`,
      );
    }
    for (const method of ['post', 'delete'] as const) this.http[method](route, this.handler('upstream'));
    this.http.options(route, this.handler('preflight'));
  }

  /** @param kind the only requests that it takes; the others go to the application's own routes of this path */
  private handler(kind?: ReturnType<typeof kindOf>) {
    const handler = (request: FastifyRequest, reply: FastifyReply) => this.answer(request, reply);
    if (kind) constrain(handler, KIND_OF_REQUEST.name, kind);
    return handler;
  }

  /** `reply.send()`, not `hijack()`: cookie and session are written by hooks that run on sending. */
  private async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const visit = { incoming: request.raw, raw: request, response: reply, answer: new FastifyAnswer(reply) };
    if (this.isUpgrade(request.raw)) {
      const upgrade = await this.arrive(visit);
      if (upgrade) {
        upgrade.hold();
        reply.code(101).send();
      }
      return unsettled();
    }
    if (!(await this.answerPlain(visit, reply.raw)))
      throw new NotFoundException(`Cannot ${request.raw.method} ${request.raw.url}`);
    return reply;
  }
}

/**
 * What the handler of an upgrade returns. A handler that returned the reply would be done when the response closes, and
 * Fastify then sends a reply that has not left by itself: a handshake that is refused while its session is being stored
 * would be answered twice, and the second answer is an error that nobody can catch.
 */
function unsettled(): Promise<never> {
  return new Promise(() => {});
}

/** Where the application has answered already (a hook that limits the time, for example), it does nothing. */
class FastifyAnswer implements HttpAnswer {
  constructor(private readonly reply: FastifyReply) {}

  private get isAnswered(): boolean {
    return this.reply.sent || this.reply.raw.headersSent;
  }

  header(name: string, value: string): void {
    if (!this.isAnswered) this.reply.header(name, value);
  }

  send(status: number, body?: string): void {
    if (!this.isAnswered) this.reply.code(status).send(body);
  }

  stream(): Writable {
    if (this.isAnswered) return endedStream();
    const stream = new PassThrough();
    this.reply.code(200).send(stream);
    return stream;
  }

  onClose(listener: () => void): void {
    onceOver(this.reply.raw, listener);
  }
}

/** Decodes a path as find-my-way does: characters that mean something in a path stay as they are. */
function prepared(path: string, { ignoreTrailingSlash, ignoreDuplicateSlashes }: RouterOptions): string {
  const single = ignoreDuplicateSlashes ? path.replace(/\/\/+/g, '/') : path;
  const whole = isDecodable(single) ? decodeURI(single.replaceAll('%25', '%2525')) : single;
  return ignoreTrailingSlash ? whole.replace(/(.)\/$/, '$1') : whole;
}
