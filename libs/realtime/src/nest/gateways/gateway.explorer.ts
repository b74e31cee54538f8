import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { OptionsError } from '../../errors.js';
import type { FoundGateway, GatewayElsewhere } from '../found-gateway.js';
import { type GatewayProvider, gatewayProviders, messageMethodsOf, unfoundGateways } from '../internals/nest.js';
import { type KnownOptions, optionProblems, optionsWithoutEffect } from './check-options.js';
import { hookProblems, hooksOf } from './gateway-hooks.js';
import { GatewayPaths } from './gateway-paths.js';
import { asProtocols } from './verify-client.js';

/** Finds the `@WebSocketGateway()` classes of the application. */
@Injectable()
export class GatewayExplorer {
  private readonly logger = new Logger('Realtime');

  constructor(
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(GatewayPaths) private readonly paths: GatewayPaths,
  ) {}

  /**
   * @returns each gateway class once, however many modules provide it
   * @throws OptionsError that lists each gateway whose hooks or guards could never run, with the reason
   */
  find(): FoundGateway[] {
    const providers = gatewayProviders(this.modules);
    const problems = providers
      .filter(isOurs)
      .flatMap(({ metatype, instance, options }) => [
        ...hookProblems(metatype, instance),
        ...optionProblems(metatype.name, options),
      ]);
    if (problems.length > 0) throw new OptionsError(problems);
    this.warnOfUnfound();
    return providers.filter(isOurs).map((provider) => this.describe(provider));
  }

  /** @returns the gateways without hooks that name a port of their own */
  elsewhere(): GatewayElsewhere[] {
    const others = gatewayProviders(this.modules).filter((provider) => !isOurs(provider));
    return others.map(({ metatype, port }) => ({ name: metatype.name, port: port! }));
  }

  private describe(provider: GatewayProvider): FoundGateway {
    const { metatype, moduleKey, port, scoped } = provider;
    const { name } = metatype;
    const instance = provider.instance as FoundGateway['instance'];
    const hooks = hooksOf(instance);
    const hasHooks = hooks.length > 0;
    const options = provider.options as KnownOptions;
    const facts = {
      ...{ name, instance, scoped, moduleKey, hooks, hasHooks, messages: messageMethodsOf(instance).length },
      ...choicesOf(options, hasHooks),
      paths: hasHooks ? this.paths.expand(options) : [options.path ?? '/'].flat().map(asWsAdapter),
    };
    requireUsable(facts, port);
    this.warnOfOptions(name, options);
    const { slowConsumer, transports, verifyClient, handleProtocols } = options;
    const { protocols = handleProtocols && asProtocols(handleProtocols) } = options;
    return { ...facts, slowConsumer, transports, protocols, verifyClient };
  }

  private warnOfUnfound(): void {
    for (const name of unfoundGateways(this.modules)) {
      this.logger.warn(
        `${name} is not found as a gateway, because useFactory or useValue provides it: provide the class`,
      );
    }
  }

  /** Some options of `ws` and Socket.IO are limits, so an option without effect must not go unnoticed. */
  private warnOfOptions(name: string, options: object): void {
    const unknown = optionsWithoutEffect(options);
    if (unknown.length === 0) return;
    const advice = 'use the REALTIME_* settings instead (docs/gateways.md)';
    this.logger.warn(`${name}: ${unknown.join(', ')} in @WebSocketGateway() has no effect here: ${advice}`);
  }
}

/** The options that have a default. */
function choicesOf(options: KnownOptions, hasHooks: boolean) {
  const {
    middleware = true,
    keepContext = false,
    recheck = false,
    guards = hasHooks ? 'handshake' : 'message',
  } = options;
  return { middleware, keepContext, recheck, guards };
}

/** A gateway without hooks that names a port stays on Nest's WsAdapter. */
function isOurs({ port, instance }: GatewayProvider): boolean {
  return !port || hooksOf(instance).length > 0;
}

/** Reads a path as WsAdapter does: `chat`, `/chat` and `/chat/` are the same. */
function asWsAdapter(path: string): string {
  return `/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
}

function requireUsable({ name, hasHooks, scoped, guards }: FoundGateway, port: number | undefined): void {
  if (port) {
    throw new OptionsError(
      `${name} names port ${port}, but hooks run on the application's own port: use @WebSocketGateway({ path })`,
    );
  }
  if (!scoped) return;
  const what = hasHooks ? 'one instance serves all connections' : 'its guards cannot run at the handshake';
  if (!hasHooks && guards === 'message') return;
  throw new OptionsError(
    `${name} is request-scoped, itself or through a provider it injects, but ${what}: ` +
      'make it and what it injects singletons, and keep state per connection in connection.data',
  );
}
