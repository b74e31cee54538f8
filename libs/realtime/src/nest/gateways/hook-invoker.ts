import { Inject, Injectable } from '@nestjs/common';
import { PARAM_ARGS_METADATA } from '@nestjs/websockets/constants.js';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Gateway } from '../../gateway.js';
import type { Awaitable } from '../../hooks.js';
import type { Message } from '../../message.js';
import { Enhancers, type Treatment } from '../enhancers/enhancers.js';
import { asRefusal, type Guard, HandshakeGuards } from '../enhancers/handshake-guards.js';
import { requireThatAllRun } from '../enhancers/hook-enhancers.js';
import type { Method } from '../enhancers/method-context.js';
import { isDeferred } from '../replies.js';
import type { FoundGateway } from './gateway.explorer.js';
import { askVerifyClient } from './verify-client.js';

/** The hooks of one gateway class, with what Nest puts around them. One that the class does not have is absent. */
export type Hooks = Pick<Gateway, 'onHandshake' | 'onAuthenticate' | HookName>;

type HookName = 'onOpen' | 'onMessage' | 'onDrain' | 'onClose';

/** Outside of a message: guards and pipes have nothing to decide or to change. */
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
  compile(found: FoundGateway): Hooks {
    requireThatAllRun(found, bodyOf(found.instance) !== undefined);
    const { instance } = found;
    return {
      onHandshake: instance.onHandshake && translated(instance.onHandshake.bind(instance), asRefusal),
      onAuthenticate: instance.onAuthenticate?.bind(instance),
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
    return (connection, message) => hook(connection, decode(message) as Message);
  }

  private hook<N extends HookName>(found: FoundGateway, name: N, treatment: Treatment): Gateway[N] {
    const { instance } = found;
    const hook = instance[name] as Method | undefined;
    if (!hook) return undefined;
    const isPlain = Reflect.getMetadata(PARAM_ARGS_METADATA, instance.constructor, name) === undefined;
    if (isPlain && this.enhancers.isBare(found, name, treatment)) return hook.bind(instance) as never;
    const wrapped = this.enhancers.wrap(found, name, treatment);
    const run: Method = async (connection, subject) => {
      const result = await wrapped(connection, subject);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    };
    return run as never;
  }
}

interface Body {
  readonly index: number;
  /** `@MessageBody('property')` */
  readonly data?: string;
}

/** How `onMessage(…, @MessageBody() body)` gets its body: as text or bytes where it is typed so, else as JSON. */
function bodyOf(instance: object): ((message: Message) => unknown) | undefined {
  const parameters = Reflect.getMetadata(PARAM_ARGS_METADATA, instance.constructor, 'onMessage') as object | undefined;
  const entries = Object.entries(parameters ?? {}) as [string, Body][];
  const body = entries.find(([key]) => key.startsWith('3:'))?.[1];
  if (!body) return undefined;
  const types = Reflect.getMetadata('design:paramtypes', instance, 'onMessage') as unknown[] | undefined;
  const type = body.data ? Object : types?.[body.index];
  if (type === String) return (message) => message.text();
  return type === Buffer || type === Uint8Array ? (message) => message.bytes() : (message) => message.json();
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
      return isDeferred(result) ? (result as PromiseLike<R>).then(undefined, rethrow) : result;
    } catch (error) {
      return rethrow(error);
    }
  };
}
