import { Inject, Injectable } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Connection } from '../../connection.js';
import type { Gateway } from '../../gateway.js';
import type { Awaitable } from '../../awaitable.js';
import type { Message } from '../../message.js';
import { Enhancers, type Treatment } from '../enhancers/enhancers.js';
import { asRefusal, asRejection, type Guard, HandshakeGuards } from '../enhancers/handshake-guards.js';
import { requireThatAllRun } from '../enhancers/hook-enhancers.js';
import type { ConnectionHookName, FoundGateway, HookName } from '../found-gateway.js';
import { parametersOf } from '../internals/nest.js';
import { isDeferred } from '../replies.js';
import { askVerifyClient } from './verify-client.js';

/** The hooks of one gateway class, with what Nest puts around them. A hook that the class does not have is absent. */
export type CompiledHooks = Pick<Gateway, HookName>;

/** A hook of an open connection. Its second argument is the request, the message or the close info, if it has one. */
type CompiledHook = (connection: Connection, subject?: unknown) => Awaitable<void>;

/** For hooks without a message: guards have nothing to decide, and pipes nothing to change. */
const NO_MESSAGE: Treatment = { isHook: true, guards: 'none', hasBody: false };

/** Road IN, step 5: guards, pipes, interceptors, the hook, filters. */
@Injectable()
export class HookInvoker {
  constructor(
    @Inject(HandshakeGuards) private readonly guards: HandshakeGuards,
    @Inject(Enhancers) private readonly enhancers: Enhancers,
  ) {}

  /** What decides at the handshake before `onHandshake`: `ws`'s `verifyClient` and the guards. */
  guard(found: FoundGateway): Guard | undefined {
    const { verifyClient } = found;
    const guard = this.guards.compile(found);
    if (!verifyClient) return guard;
    return async (request, response) => {
      await askVerifyClient(verifyClient, request);
      await guard?.(request, response);
    };
  }

  /** @throws OptionsError for an enhancer on a hook where it could never run */
  compile(found: FoundGateway): CompiledHooks {
    requireThatAllRun(found, bodyOf(found.instance) !== undefined);
    const { instance } = found;
    return {
      onHandshake: instance.onHandshake && translated(instance.onHandshake.bind(instance), asRefusal),
      onAuthenticate: instance.onAuthenticate && translated(instance.onAuthenticate.bind(instance), asRejection),
      onOpen: this.hook(found, 'onOpen', { ...NO_MESSAGE, alwaysFails: true }),
      onMessage: this.message(found),
      onDrain: this.hook(found, 'onDrain', NO_MESSAGE),
      onClose: this.hook(found, 'onClose', NO_MESSAGE),
    };
  }

  private message(found: FoundGateway): Gateway['onMessage'] {
    const decode = bodyOf(found.instance);
    const guards = found.guards === 'handshake' ? 'own' : 'all';
    const hook = this.hook(found, 'onMessage', { isHook: true, guards, hasBody: decode !== undefined });
    if (!hook || !decode) return hook;
    return (connection, message) => hook(connection, decode(message));
  }

  private hook(found: FoundGateway, name: ConnectionHookName, treatment: Treatment): CompiledHook | undefined {
    const { instance } = found;
    const hook = instance[name] as CompiledHook | undefined;
    if (!hook) return undefined;
    if (!parametersOf(instance, name) && this.enhancers.isBare(found, name, treatment)) return hook.bind(instance);
    const wrapped = this.enhancers.wrap(found, name, treatment);
    return async (connection, subject) => {
      const result = await wrapped(connection, subject);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    };
  }
}

/** How `onMessage(…, @MessageBody() body)` gets its body: as text or bytes if the parameter has that type, else as JSON. */
function bodyOf(instance: object): ((message: Message) => unknown) | undefined {
  const body = parametersOf(instance, 'onMessage')?.find(({ kind }) => kind === 'body');
  if (!body) return undefined;
  const types = Reflect.getMetadata('design:paramtypes', instance, 'onMessage') as unknown[] | undefined;
  const type = body.property ? Object : types?.[body.index];
  if (type === String) return (message) => message.text();
  return type === Buffer || type === Uint8Array ? (message) => message.bytes() : (message) => message.json();
}

/** Calls a hook and translates what it throws or rejects with. A synchronous hook stays synchronous. */
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
      return isDeferred(result) ? (result as PromiseLike<R>).then(undefined, rethrow) : result;
    } catch (error) {
      return rethrow(error);
    }
  };
}
