import { HttpException, Inject, Injectable } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { MessageError } from '../errors.js';
import type { Awaitable, Gateway } from '../hooks.js';
import { type PathRules, compilePath } from '../paths.js';
import type { FoundGateway } from './gateway.explorer.js';
import { asRefusal, HandshakeGuards } from './handshake.guards.js';

/** Road IN, step 5: puts between the engine and a gateway's hooks what Nest's exceptions mean. */
@Injectable()
export class HookInvoker {
  constructor(@Inject(HandshakeGuards) private readonly guards: HandshakeGuards) {}

  /** The gateway as the engine calls it, once per path. A hook that the class does not have is absent here too. */
  compile(found: FoundGateway, rules: PathRules): Gateway[] {
    const { name, instance, middleware, keepContext } = found;
    const hooks = {
      guard: this.guards.compile(found),
      onHandshake: instance.onHandshake && translated(instance.onHandshake.bind(instance), asRefusal),
      onOpen: instance.onOpen?.bind(instance),
      onMessage: instance.onMessage && translated(instance.onMessage.bind(instance), asMessageError),
      onClose: instance.onClose?.bind(instance),
    };
    return found.paths.map((path) => ({
      name,
      path,
      match: compilePath(path, rules),
      middleware,
      keepContext,
      ...hooks,
    }));
  }
}

/** Calls a hook and translates what it throws, now or later. A synchronous hook stays synchronous. */
function translated<A extends unknown[], R>(
  hook: (...args: A) => Awaitable<R>,
  translate: (error: unknown) => unknown,
) {
  const rethrow = (error: unknown): never => {
    throw translate(error);
  };
  return (...args: A): Awaitable<R> => {
    try {
      const result = hook(...args);
      return isThenable(result) ? result.then(undefined, rethrow) : result;
    } catch (error) {
      return rethrow(error);
    }
  };
}

/** What the client may know: of a WsException and of an HttpException below 500 all they say, of any other nothing. */
function asMessageError(error: unknown): unknown {
  if (error instanceof WsException) return messageError('ws_exception', error.getError(), error);
  if (error instanceof HttpException && error.getStatus() < 500) {
    return messageError('http_exception', error.getResponse(), error, { statusCode: error.getStatus() });
  }
  return error;
}

function messageError(code: string, said: string | object, cause: Error, details: object = {}): MessageError {
  const own = typeof said === 'object' ? (said as Record<string, unknown>) : {};
  const message = typeof said === 'string' ? said : typeof own['message'] === 'string' ? own['message'] : cause.message;
  return new MessageError(code, message, { ...own, ...details }, { cause });
}

function isThenable<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function';
}
