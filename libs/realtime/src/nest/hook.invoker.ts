import { Inject, Injectable } from '@nestjs/common';
import { PARAM_ARGS_METADATA } from '@nestjs/websockets/constants.js';
import { isObservable, lastValueFrom } from 'rxjs';
import { OptionsError } from '../errors.js';
import type { Awaitable, Gateway } from '../hooks.js';
import { Message } from '../message.js';
import { Enhancers, type Method, type Treatment } from './enhancers.js';
import { asMessageError } from './exception-frame.js';
import type { FoundGateway } from './gateway.explorer.js';
import { asRefusal, HandshakeGuards } from './handshake.guards.js';

/** The hooks of one gateway class, with what Nest puts around them. One that the class does not have is absent. */
export type Hooks = Pick<Gateway, 'guard' | 'onHandshake' | 'onOpen' | 'onMessage' | 'onClose'>;

type HookName = 'onOpen' | 'onMessage' | 'onClose';

/** Road IN, step 5: guards, pipes, interceptors, the hook, filters. */
@Injectable()
export class HookInvoker {
  constructor(
    @Inject(HandshakeGuards) private readonly guards: HandshakeGuards,
    @Inject(Enhancers) private readonly enhancers: Enhancers,
  ) {}

  /** @throws OptionsError for an enhancer on a hook where it could never run */
  compile(found: FoundGateway): Hooks {
    requireNone(
      found,
      ['onOpen', 'onClose'],
      ['guards'],
      'guards decide at the handshake: put them on the class or on onHandshake',
    );
    requireNone(
      found,
      ['onHandshake'],
      ['interceptors', 'pipes', 'exceptionFilters'],
      'at the handshake only guards run',
    );
    const { instance } = found;
    return {
      guard: this.guards.compile(found),
      onHandshake: instance.onHandshake && translated(instance.onHandshake.bind(instance), asRefusal),
      onOpen: this.hook(found, 'onOpen', { guards: 'none', hasBody: false, alwaysFails: true }),
      onMessage: this.message(found),
      onClose: this.hook(found, 'onClose', { guards: 'none', hasBody: false }),
    };
  }

  private message(found: FoundGateway): Gateway['onMessage'] {
    const decode = bodyDecoder(found.instance);
    const guards = found.guards === 'handshake' ? 'own' : 'all';
    const hook = this.hook(found, 'onMessage', { guards, hasBody: decode !== undefined });
    if (!hook) return undefined;
    const call: Method = decode
      ? (connection, message) => hook(connection as never, decode(message as Message) as never)
      : (hook as Method);
    return translated(call, asMessageError) as Gateway['onMessage'];
  }

  private hook<N extends HookName>(found: FoundGateway, name: N, treatment: Treatment): Gateway[N] {
    const { instance, moduleKey } = found;
    const hook = instance[name] as Method | undefined;
    if (!hook) return undefined;
    if (!treatment.hasBody && this.enhancers.isBare(instance, name, treatment.guards))
      return hook.bind(instance) as never;
    const wrapped = this.enhancers.wrap(instance, name, moduleKey, treatment);
    const run: Method = async (...args) => {
      const result = await wrapped(...args);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    };
    return run as never;
  }
}

/** How `onMessage(…, @MessageBody() body)` gets its body: as text or bytes where it is typed so, else as JSON. */
function bodyDecoder(instance: object): ((message: Message) => unknown) | undefined {
  const parameters = Reflect.getMetadata(PARAM_ARGS_METADATA, instance.constructor, 'onMessage') as object | undefined;
  if (!parameters) return undefined;
  const body = Object.entries(parameters).find(([key]) => key.startsWith('3:'))?.[1] as { index: number } | undefined;
  const types = Reflect.getMetadata('design:paramtypes', instance, 'onMessage') as unknown[] | undefined;
  const type = body && types?.[body.index];
  if (type === String) return (message) => message.text();
  return type === Buffer || type === Uint8Array ? (message) => message.bytes() : (message) => message.json();
}

function requireNone(
  found: FoundGateway,
  hooks: readonly (HookName | 'onHandshake')[],
  kinds: readonly string[],
  why: string,
) {
  for (const hook of hooks) {
    const method: object | undefined = found.instance[hook];
    const kind = kinds.find((each) => method && Reflect.hasMetadata(`__${each}__`, method));
    if (kind) throw new OptionsError(`${found.name}.${hook} has ${kind} of its own that would never run: ${why}`);
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

function isThenable<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function';
}
