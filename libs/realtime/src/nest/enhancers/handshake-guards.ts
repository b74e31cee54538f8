import { HttpException, Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator } from '@nestjs/core';
import { WsException } from '@nestjs/websockets';
import { HandshakeError, OptionsError } from '../../errors.js';
import type { HandshakeRequest } from '../../handshake-request.js';
import type { FoundGateway } from '../found-gateway.js';
import { globalEnhancers, hasEnhancers, scopedGlobals } from '../internals/nest-enhancers.js';

/** Runs the guards of a gateway at the handshake; refuses by throwing. */
export type Guard = (request: HandshakeRequest, response: unknown) => Promise<void>;

const GUARDS_ONLY = { guards: true, interceptors: false, filters: false };

/**
 * The guards of a gateway with hooks: global ones, those on the class and those on `onHandshake`, once, at the
 * handshake, in the `http` context of `GET <path>`, as if it were a controller's route.
 */
@Injectable()
export class HandshakeGuards {
  constructor(
    @Inject(ExternalContextCreator) private readonly contexts: ExternalContextCreator,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
  ) {}

  /**
   * @throws OptionsError for a request-scoped global guard: it could not run here, and leaving it out would let
   *   everybody in
   */
  compile({ name, instance, guards }: FoundGateway): Guard | undefined {
    if (guards === 'message') return undefined;
    if (scopedGlobals(this.config).guards.length > 0) {
      throw new OptionsError(
        `A global guard is request-scoped and cannot run at the handshake of ${name}: make it a singleton, ` +
          "or set guards: 'message' in @WebSocketGateway()",
      );
    }
    const hasOwn = [instance.constructor, instance.onHandshake ?? {}].some((owner) => hasEnhancers('guards', owner));
    if (!hasOwn && globalEnhancers(this.config, 'guards').length === 0) return undefined;
    const target = carrierOf(instance.onHandshake);
    const run = this.contexts.create(
      instance as Record<string, typeof target>,
      target,
      'onHandshake',
      undefined,
      undefined,
      undefined,
      undefined,
      GUARDS_ONLY,
      'http',
    ) as (...args: unknown[]) => Promise<unknown>;
    return async (request, response) => {
      await run(request.raw, response, ignoreNext).catch((error: unknown) => {
        throw asRefusal(error);
      });
    };
  }
}

/** An empty function with the metadata of `onHandshake`: Nest calls what it guards, and the hook takes other arguments. */
function carrierOf(hook: object | undefined): () => void {
  const target = Object.defineProperty(() => {}, 'name', { value: 'onHandshake' });
  for (const key of hook ? Reflect.getMetadataKeys(hook) : []) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, hook!), target);
  }
  return target;
}

function ignoreNext(): void {}

/** Answers an HttpException as Nest does for a controller; the exception is kept as the cause. */
export function asRefusal(error: unknown): unknown {
  if (!(error instanceof HttpException)) return error;
  const answer = error.getResponse();
  const body = typeof answer === 'object' ? answer : { statusCode: error.getStatus(), message: answer };
  return new HandshakeError(error.getStatus(), body, {}, undefined, { cause: error });
}

/** Also answers a WsException, which in `onAuthenticate` says that the first message was not the right one. */
export function asRejection(error: unknown): unknown {
  if (!(error instanceof WsException)) return asRefusal(error);
  return new HandshakeError(401, error.message, {}, undefined, { cause: error });
}
