import { Inject, Injectable } from '@nestjs/common';
import { RESERVED_PREFIX } from 'nestjs-realtime-protocol';
import { OptionsError } from '../../errors.js';
import { Enhancers, type GuardScope, type Treatment } from '../enhancers/enhancers.js';
import type { Method } from '../enhancers/method-context.js';
import type { FoundGateway } from '../found-gateway.js';
import { type GatewayParameter, messageMethodsOf, parametersOf } from '../internals/nest.js';
import type { Request } from './request.js';
import { isStream } from './stream.decorator.js';

/** A `@SubscribeMessage()` method, ready to be called. */
export interface MessageMethod {
  readonly isStream: boolean;
  /** May return a value, a promise, an Observable or an async iterable; throws or rejects with what no filter took. */
  call(request: Request): unknown;
}

/** Finds the `@SubscribeMessage()` methods of a gateway. */
@Injectable()
export class MessageMethods {
  constructor(@Inject(Enhancers) private readonly enhancers: Enhancers) {}

  /**
   * @returns the methods by event; a `Map`, because clients choose the names that are looked up
   * @throws OptionsError for an event with a reserved name
   */
  of(found: FoundGateway): Map<unknown, MessageMethod> {
    const guards: GuardScope = found.guards === 'handshake' ? 'own' : 'all';
    const methods = new Map<unknown, MessageMethod>();
    for (const { event, name } of messageMethodsOf(found.instance)) {
      const method = (found.instance as Record<string, Method>)[name]!;
      requireThatItIsFree(`${found.name}.${name}`, event);
      methods.set(event, { isStream: isStream(method), call: this.compile(found, name, guards) });
    }
    return methods;
  }

  /** A method without enhancers is called without Nest around it. */
  private compile(found: FoundGateway, name: string, guards: GuardScope): MessageMethod['call'] {
    const { instance } = found;
    const fill = argumentsFor(parametersOf(instance, name));
    const treatment: Treatment = { isHook: false, guards, hasBody: true };
    if (!fill || !this.enhancers.isBare(found, name, treatment))
      return withContext(this.enhancers.wrap(found, name, treatment));
    const method = (instance as Record<string, Method>)[name]!;
    return ({ connection, data }) => method.apply(instance, fill(connection, data));
  }
}

/** The arguments are those of Nest: client, data, event. A request with an id follows, where `requestIdOf` finds it. */
function withContext(method: Method): MessageMethod['call'] {
  return (request) => {
    const { connection, data, event, id } = request;
    request.isSingle = true;
    return id === undefined ? method(connection, data, event) : method(connection, data, event, request);
  };
}

function requireThatItIsFree(method: string, event: unknown): void {
  if (typeof event !== 'string' || !event.startsWith(RESERVED_PREFIX)) return;
  throw new OptionsError(
    `${method} subscribes to the event ${JSON.stringify(event)}, and names that begin with "${RESERVED_PREFIX}" are ` +
      'reserved for the protocol of nestjs-realtime: give the event another name',
  );
}

type Arguments = (connection: unknown, data: unknown) => unknown[];

/** How a method without enhancers gets its arguments; undefined when only Nest can (custom decorators, pipes). */
function argumentsFor(parameters: readonly GatewayParameter[] | undefined): Arguments | undefined {
  if (!parameters) return (connection, data) => [connection, data];
  if (parameters.some(({ kind, isPiped }) => kind === 'other' || isPiped)) return undefined;
  return (connection, data) => {
    const args = [connection, data];
    for (const { index, kind, property } of parameters) {
      args[index] = kind === 'connection' ? connection : pick(data, property);
    }
    return args;
  };
}

/** `@MessageBody('property')`, as Nest reads it. */
function pick(data: unknown, property: string | undefined): unknown {
  if (!property) return data;
  return (data as Record<string, unknown> | null | undefined)?.[property];
}
