import { Inject, Injectable } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { PARAM_ARGS_METADATA } from '@nestjs/websockets/constants.js';
import { GatewayMetadataExplorer } from '@nestjs/websockets/gateway-metadata-explorer.js';
import type { Connection } from '../../connection.js';
import { Enhancers, type GuardScope, type Treatment } from '../enhancers/enhancers.js';
import type { FoundGateway } from '../found-gateway.js';
import type { Method } from '../enhancers/method-context.js';
import { isStream } from './stream.decorator.js';

/** A `@SubscribeMessage()` method, ready to be called. */
export interface MessageMethod {
  readonly isStream: boolean;
  /** May return a value, a promise, an Observable or an async iterable; throws or rejects with what no filter took. */
  call(connection: Connection, data: unknown, event: string | number): unknown;
}

type Parameters = Readonly<Record<string, { index: number; data?: string; pipes?: unknown[]; schema?: unknown }>>;

/** Finds the `@SubscribeMessage()` methods of a gateway. */
@Injectable()
export class MessageMethods {
  private readonly explorer = new GatewayMetadataExplorer(new MetadataScanner());

  constructor(@Inject(Enhancers) private readonly enhancers: Enhancers) {}

  /** @returns the methods by event; a `Map`, because clients choose the names that are looked up */
  of(found: FoundGateway): Map<unknown, MessageMethod> {
    const scope: GuardScope = found.guards === 'handshake' ? 'own' : 'all';
    const methods = new Map<unknown, MessageMethod>();
    for (const { message, methodName } of this.explorer.explore(found.instance as never)) {
      const method = (found.instance as Record<string, Method>)[methodName]!;
      const call = this.compile(found, methodName, scope);
      methods.set(message, { isStream: isStream(method), call: call as MessageMethod['call'] });
    }
    return methods;
  }

  /** No Nest machinery around a method that has no enhancers. */
  private compile(found: FoundGateway, name: string, guards: GuardScope): Method {
    const { instance } = found;
    const metadata = Reflect.getMetadata(PARAM_ARGS_METADATA, instance.constructor, name) as Parameters | undefined;
    const parameters = plainParameters(metadata);
    const treatment: Treatment = { isHook: false, guards, hasBody: true };
    if (!parameters || !this.enhancers.isBare(found, name, treatment)) {
      return this.enhancers.wrap(found, name, treatment);
    }
    const method = (instance as Record<string, Method>)[name]!;
    return (connection, data) => method.apply(instance, parameters(connection, data));
  }
}

type Arguments = (connection: unknown, data: unknown) => unknown[];

/** How a method without enhancers gets its arguments; undefined when only Nest knows (own decorators, pipes). */
function plainParameters(metadata: Parameters | undefined): Arguments | undefined {
  if (!metadata) return (connection, data) => [connection, data];
  const fillers: ((args: unknown[], connection: unknown, data: unknown) => void)[] = [];
  for (const [key, { index, data: property, pipes, schema }] of Object.entries(metadata)) {
    const type = key.split(':')[0];
    if (pipes?.length || schema || (type !== '0' && type !== '3')) return undefined;
    if (type === '0') fillers.push((args, connection) => void (args[index] = connection));
    else fillers.push((args, _, data) => void (args[index] = pick(data, property)));
  }
  return (connection, data) => {
    const args = [connection, data];
    for (const fill of fillers) fill(args, connection, data);
    return args;
  };
}

/** `@MessageBody('property')`, as Nest reads it. */
function pick(data: unknown, property: string | undefined): unknown {
  if (!property) return data;
  return (data as Record<string, unknown> | null | undefined)?.[property];
}
