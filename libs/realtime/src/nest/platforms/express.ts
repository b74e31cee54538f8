/** Express: the door is middleware of its own, so what stands before the controllers runs as for a controller's route. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { HttpServer } from '@nestjs/common';
import type { Awaitable } from '../../awaitable.js';
import type { Verdict } from '../../handshake/admission.js';
import type { PathRules } from '../../handshake/paths.js';
import type { Examine } from '../../handshake/platform.js';
import type { HttpAnswer } from '../../http/exchange.js';
import { LazyRequest, type PlatformRequest, splitTarget, targetOf } from '../../http/platform-request.js';
import type { UpgradeResponse } from '../../http/upgrade-response.js';
import { type ExpressApplication, expressOf } from '../internals/express.js';
import { AddedProperties, asExpressRequest, asExpressResponse, ExpressAddresses } from './express-request.js';
import { type MiddlewareMark, mountDoor } from './express-router.js';
import { type Door, endedStream, HttpPlatform, onceOver } from './http-platform.js';

export class ExpressPlatform extends HttpPlatform {
  private readonly app: ExpressApplication;
  private readonly addresses: ExpressAddresses;
  private readonly added = new AddedProperties();

  constructor(
    http: HttpServer,
    door: Door,
    private readonly mark: MiddlewareMark,
  ) {
    super(http.getHttpServer() as Server, door);
    this.app = expressOf(http);
    this.addresses = new ExpressAddresses(this.app);
  }

  get rules(): PathRules {
    return {
      isCaseSensitive: this.app.enabled('case sensitive routing'),
      isStrict: this.app.enabled('strict routing'),
    };
  }

  mount(paths: readonly string[]): void {
    this.addresses.lookForOwnRule();
    mountDoor(
      this.app,
      this.mark,
      paths,
      (request, response, next) => this.answer(request, response, next),
      (request, _response, next) => {
        this.hideBody(request);
        next();
      },
    );
  }

  override pass(upgrade: UpgradeResponse, examine: Examine): Promise<Verdict> {
    this.added.addTo(upgrade);
    return super.pass(upgrade, examine);
  }

  bypass(upgrade: UpgradeResponse, examine: Examine): Awaitable<Verdict> {
    const requestOf = () => asExpressRequest(upgrade, this.app);
    const responseOf = () => asExpressResponse(upgrade, this.app);
    return this.unlessAnswered(upgrade, () => examine(new LazyRequest(requestOf), responseOf));
  }

  addressOf(request: IncomingMessage): string {
    return this.addresses.of(request);
  }

  trustsPeerOf(request: IncomingMessage): boolean {
    return this.addresses.trustsPeerOf(request);
  }

  private answer(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void {
    const visit = {
      incoming: request,
      raw: request as IncomingMessage & PlatformRequest,
      response,
      answer: new ExpressAnswer(response),
    };
    if (this.isUpgrade(request)) {
      this.added.learn(request);
      this.arrive(visit).then((upgrade) => upgrade?.admit(), next);
    } else if (!this.door.answersGet(splitTarget(targetOf(request)).path)) next();
    else this.answerPlain(visit, response).then((isAnswered) => isAnswered || next(), next);
  }
}

/** Where the application has answered already (a middleware that limits the time, for example), it does nothing. */
class ExpressAnswer implements HttpAnswer {
  constructor(private readonly response: ServerResponse) {}

  header(name: string, value: string): void {
    if (!this.response.headersSent) this.response.setHeader(name, value);
  }

  send(status: number, body?: string): void {
    if (this.response.headersSent || this.response.writableEnded) return;
    this.response.statusCode = status;
    this.response.end(body);
  }

  stream(): Writable {
    if (this.response.headersSent || this.response.writableEnded) return endedStream();
    this.response.statusCode = 200;
    this.response.flushHeaders();
    return this.response;
  }

  onClose(listener: () => void): void {
    onceOver(this.response, listener);
  }
}
