import type { Server } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Engine } from '../../engine.js';
import type { PathRules } from '../../handshake/paths.js';
import type { Requests } from '../../transports/requests/requests.js';
import { beforeClose } from '../internals/nest.js';
import { markMiddleware, type MiddlewareMark } from './express-router.js';
import { ExpressPlatform } from './express.js';
import { FastifyPlatform } from './fastify.js';
import type { Door } from './http-platform.js';

/** How Express reads paths; for an application without a platform of ours. */
const DEFAULT_RULES: PathRules = { isCaseSensitive: false, isStrict: false };

/** Finds the application's HTTP platform and puts it in front of the handshakes. */
@Injectable()
export class PlatformBridge {
  private mark?: MiddlewareMark;
  private platform?: ExpressPlatform | FastifyPlatform;

  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  /** The HTTP server; undefined in an application context and in a microservice. */
  get server(): Server | undefined {
    return this.host.httpAdapter?.getHttpServer() as Server | undefined;
  }

  /** Called before Nest registers middleware. */
  watchMiddleware(): void {
    const http = this.host.httpAdapter;
    if (http?.getType() === 'express') this.mark = markMiddleware(http);
  }

  /** @returns how the platform reads paths */
  open(engine: Engine, requests: Requests): PathRules {
    const http = this.host.httpAdapter;
    const type = this.server && http.getType();
    const door: Door = {
      answersGet: (path) => engine.gate.answersGet(path),
      probe: (exchange) => engine.gate.probe(exchange),
      request: (exchange) => requests.handle(exchange),
    };
    if (type === 'express' && this.mark) this.platform = new ExpressPlatform(http, door, this.mark);
    else if (type === 'fastify') this.platform = new FastifyPlatform(http, door);
    else if (type) engine.node.log.warn(`The HTTP platform "${type}" is not known: handshakes skip its middleware`);
    if (this.platform) engine.gate.usePlatform(this.platform);
    // The hooks of other modules may take long, and they run before ours
    if (type) beforeClose(http, () => engine.leave());
    return this.platform?.rules ?? DEFAULT_RULES;
  }

  mount(paths: readonly string[]): void {
    this.platform?.mount(paths);
  }
}
