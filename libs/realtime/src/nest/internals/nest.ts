/**
 * The door to what Nest does not promise: what its container knows of modules and providers, what its decorators write,
 * what its lifecycle calls when. Nothing else imports these parts of Nest (lint), and each has a test that fails by name
 * when a new version changes it: docs/architecture.md, "What is not public". For guards, pipes, interceptors and filters
 * the door is nest-enhancers.ts.
 */
import { types } from 'node:util';
import type { ArgumentsHost, HttpServer, Type } from '@nestjs/common';
import { MetadataScanner, ModuleRef, type ModulesContainer } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { GATEWAY_METADATA, GATEWAY_OPTIONS, PARAM_ARGS_METADATA, PORT_METADATA } from '@nestjs/websockets/constants.js';
import { WsParamtype } from '@nestjs/websockets/enums/ws-paramtype.enum.js';
import { GatewayMetadataExplorer } from '@nestjs/websockets/gateway-metadata-explorer.js';
import { OptionsError } from '../../errors.js';

/** Where Nest keeps the context of a request: a symbol on the request itself. */
export { REQUEST_CONTEXT_ID } from '@nestjs/core/router/request/request-constants.js';
/** Puts global prefix and version before a path, as for a controller's route. */
export { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';

/**
 * @param value a part of Nest that it does not promise
 * @param name where it is looked for
 * @throws OptionsError when this version of Nest does not have it
 */
export function required<T>(value: T | null | undefined, name: string): T {
  if (value !== undefined && value !== null) return value;
  throw new OptionsError(
    `${name} does not exist in the installed version of Nest, and gateways cannot run without it: ` +
      'install a version of @nestjs/core and @nestjs/websockets that nestjs-realtime supports',
  );
}

/** A class under `@WebSocketGateway()` that a module provides. */
export interface GatewayProvider {
  readonly metatype: Type;
  /** The one instance; for a request-scoped class an object that has its methods and no state. */
  readonly instance: object;
  readonly moduleKey: string;
  readonly port: number | undefined;
  readonly options: object;
  /** Present when the class is request-scoped, itself or through what it injects. */
  readonly scoped?: { readonly token: Type; readonly id: string; readonly isDurable: boolean };
}

/** @returns each gateway class once, however many modules provide it */
export function gatewayProviders(modules: ModulesContainer): GatewayProvider[] {
  const found = new Map<unknown, GatewayProvider>();
  for (const [moduleKey, module] of modules) {
    for (const wrapper of module.providers.values()) {
      const { metatype } = wrapper;
      if (typeof metatype !== 'function' || wrapper.isNotMetatype || found.has(metatype)) continue;
      if (!isGatewayClass(metatype)) continue;
      const isStatic = wrapper.isDependencyTreeStatic();
      const scoped = { token: wrapper.token as Type, id: wrapper.id, isDurable: wrapper.isDependencyTreeDurable() };
      found.set(metatype, {
        metatype: metatype as Type,
        instance: wrapper.instance as object,
        moduleKey,
        port: Reflect.getMetadata(PORT_METADATA, metatype) as number | undefined,
        options: (Reflect.getMetadata(GATEWAY_OPTIONS, metatype) ?? {}) as object,
        scoped: isStatic ? undefined : scoped,
      });
    }
  }
  return [...found.values()];
}

/** A class among the providers that has a method. */
export interface HookedProvider {
  readonly name: string;
  readonly instance: object;
  /** False for a request-scoped class, itself or through what it injects. */
  readonly isStatic: boolean;
}

/** @returns each provider of a class with this method once, however many modules provide it */
export function hookedProviders(modules: ModulesContainer, method: string): HookedProvider[] {
  const found = new Map<unknown, HookedProvider>();
  for (const { providers } of modules.values()) {
    for (const wrapper of providers.values()) {
      const { metatype } = wrapper;
      if (typeof metatype !== 'function' || wrapper.isNotMetatype || found.has(metatype)) continue;
      if (typeof Reflect.get((metatype as Type).prototype as object, method) !== 'function') continue;
      const instance = wrapper.instance as object;
      found.set(metatype, { name: metatype.name, instance, isStatic: wrapper.isDependencyTreeStatic() });
    }
  }
  return [...found.values()];
}

/** @returns each class among the providers once, without gateways */
export function otherClasses(modules: ModulesContainer): Type[] {
  const wrappers = [...modules.values()].flatMap(({ providers }) => [...providers.values()]);
  const classes = wrappers.filter(({ isNotMetatype }) => !isNotMetatype).map(({ metatype }) => metatype as unknown);
  return [...new Set(classes)].filter((each): each is Type => typeof each === 'function' && !isGatewayClass(each));
}

/** Returns whether a class, or one that it extends, stands under `@WebSocketGateway()`. */
export function isGatewayClass(metatype: unknown): boolean {
  return typeof metatype === 'function' && Boolean(Reflect.getMetadata(GATEWAY_METADATA, metatype));
}

/**
 * Gateways that Nest does not find, and this module neither: only classes among the providers are gateways, not what
 * `useFactory` and `useValue` provide.
 *
 * @returns the name of each such class once; a class that is a provider as well is left out
 */
export function unfoundGateways(modules: ModulesContainer): string[] {
  const found = new Set(gatewayProviders(modules).map(({ metatype }) => metatype));
  const wrappers = [...modules.values()].flatMap(({ providers }) => [...providers.values()]);
  const values = wrappers.filter(({ isNotMetatype }) => isNotMetatype).map(({ instance }) => instance as unknown);
  const classes = new Set(values.map(classOf).filter((each) => each && !found.has(each) && isGatewayClass(each)));
  return [...classes].map((each) => each!.name);
}

/** Reads no property of a value, which may be of any kind. */
function classOf(value: unknown): Type | undefined {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return undefined;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (!prototype || types.isProxy(prototype)) return undefined;
  return Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value as Type | undefined;
}

/** The ModuleRef that a module would inject: it resolves what that module can see. */
export function moduleRefOf(modules: ModulesContainer, moduleKey: string): ModuleRef {
  const provider = modules.get(moduleKey)?.providers.get(ModuleRef);
  return required(provider?.instance as ModuleRef | undefined, 'The ModuleRef among the providers of a module');
}

/**
 * The instance of the root module's class, whose lifecycle hooks Nest calls last.
 *
 * @returns undefined when Nest does not call them, because that class is request-scoped
 */
export function rootModuleInstance(modules: ModulesContainer): object | undefined {
  const nearest = Math.min(...[...modules.values()].map(({ distance }) => distance));
  const root = [...modules.values()].findLast(({ distance }) => distance === nearest);
  const host = root?.getProviderByKey<object>(root.metatype);
  return host?.isDependencyTreeStatic() ? host.instance : undefined;
}

/** Awaits a task as the first step of `app.close()`, before the shutdown hooks of any module. Nest 11 has no such step. */
export function beforeClose(http: HttpServer, task: () => Promise<void>): void {
  const original = http.beforeClose?.bind(http);
  http.beforeClose = async (): Promise<unknown> => {
    await task();
    return original?.();
  };
}

/** A parameter of a gateway's method, as its decorators describe it. */
export interface GatewayParameter {
  readonly index: number;
  /** `other` is a decorator of the application, or one that only Nest can fill. */
  readonly kind: 'connection' | 'body' | 'other';
  /** `@MessageBody('property')` */
  readonly property?: string;
  /** True when pipes or a schema of its own stand on it. */
  readonly isPiped: boolean;
}

/** By the part of a metadata key before the colon. */
const KINDS: Readonly<Record<string, GatewayParameter['kind']>> = {
  [WsParamtype.SOCKET]: 'connection',
  [WsParamtype.PAYLOAD]: 'body',
};

interface ParameterMetadata {
  readonly index: number;
  readonly data?: string;
  readonly pipes?: readonly unknown[];
  readonly schema?: unknown;
}

/** @returns undefined when no parameter of the method has a decorator */
export function parametersOf(instance: object, method: string): GatewayParameter[] | undefined {
  const metadata: unknown = Reflect.getMetadata(PARAM_ARGS_METADATA, instance.constructor, method);
  if (!metadata) return undefined;
  return Object.entries(metadata as Record<string, ParameterMetadata>).map(([key, { index, data, pipes, schema }]) => ({
    index,
    kind: KINDS[key.split(':')[0]!] ?? 'other',
    property: data,
    isPiped: Boolean(pipes?.length || schema),
  }));
}

/** A scanner keeps every class that it has seen. */
const explorer = () => new GatewayMetadataExplorer(new MetadataScanner());

/** The `@SubscribeMessage()` methods of a gateway: their event and their name. */
export function messageMethodsOf(instance: object): { readonly event: unknown; readonly name: string }[] {
  return explorer()
    .explore(instance)
    .map(({ message, methodName }) => ({ event: message as unknown, name: methodName }));
}

/** The properties of a gateway that stand under `@WebSocketServer()`. */
export function serverPropertiesOf(instance: object): Iterable<string> {
  return explorer().scanForServerHooks(instance);
}

/** The arguments of a message handler, as a filter gets them. */
export function wsArguments(args: unknown[]): ArgumentsHost {
  const host = new ExecutionContextHost(args);
  host.setType('ws');
  return host;
}
