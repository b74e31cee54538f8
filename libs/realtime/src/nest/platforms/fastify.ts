import type { IncomingMessage, Server } from 'node:http';
import type { HttpServer } from '@nestjs/common';
import { OptionsError } from '../../errors.js';
import type { PlatformRequest } from '../../handshake-request.js';
import type { PathRules } from '../../paths.js';
import { type Door, HttpPlatform } from './http-platform.js';

interface FastifyRequest extends PlatformRequest {
  readonly raw: IncomingMessage;
}

interface FastifyReply {
  header(name: string, value: string): FastifyReply;
  code(status: number): FastifyReply;
  send(): FastifyReply;
}

interface RouterOptions {
  readonly caseSensitive?: boolean;
  readonly ignoreTrailingSlash?: boolean;
}

/** The part of a Fastify 5 instance that is used. */
interface FastifyInstance {
  readonly initialConfig: RouterOptions & { readonly routerOptions?: RouterOptions };
}

/** Fastify: the door is a route of its own, so hooks and plugins run as for a controller's. */
export class FastifyPlatform extends HttpPlatform {
  constructor(
    private readonly http: HttpServer,
    door: Door,
  ) {
    super(http.getHttpServer() as Server, door);
  }

  get rules(): PathRules {
    const { initialConfig } = this.http.getInstance() as FastifyInstance;
    const router: RouterOptions = { ...initialConfig, ...initialConfig.routerOptions };
    return { isCaseSensitive: router.caseSensitive ?? true, isStrict: !router.ignoreTrailingSlash };
  }

  mount(paths: readonly string[]): void {
    for (const path of paths) this.addRoute(path);
  }

  /** Fastify makes its request object on its way in; without it the socket's own address is what is known. */
  describe(request: IncomingMessage): PlatformRequest & object {
    return request;
  }

  /** Whether Fastify trusts the proxy is known only to the request object that it makes. */
  addressOf(request: IncomingMessage): string | undefined {
    return 'x-forwarded-for' in request.headers ? undefined : request.socket.remoteAddress;
  }

  private addRoute(path: string): void {
    try {
      // find-my-way calls a wildcard `*`, path-to-regexp `*name`
      this.http.get(path.replace(/\*\w+/g, '*'), (request: FastifyRequest, reply: FastifyReply) =>
        this.answer(request, reply),
      );
    } catch (error) {
      throw new OptionsError(`A gateway and a controller both answer GET ${path}: ${(error as Error).message}`);
    }
  }

  /** `reply.send()`, not `hijack()`: cookie and session are written by hooks that run on sending. */
  private async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const setHeader = (name: string, value: string) => void reply.header(name, value);
    const upgrade = await this.arrive(request.raw, request, reply, setHeader);
    upgrade.discard();
    return reply.code(101).send();
  }
}
