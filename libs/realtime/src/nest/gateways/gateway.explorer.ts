import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { OptionsError } from '../../errors.js';
import type { FoundGateway, HookName, VerifyClient } from '../found-gateway.js';
import type { RealtimeGatewayOptions } from '../gateway-options.js';
import { type GatewayProvider, gatewayProviders } from '../internals/nest.js';
import { GatewayPaths } from './gateway-paths.js';

const HOOKS: readonly HookName[] = ['onHandshake', 'onAuthenticate', 'onOpen', 'onMessage', 'onDrain', 'onClose'];

/** The options of `@WebSocketGateway()` that have an effect here; `verifyClient` is an option of `ws`. */
type Options = RealtimeGatewayOptions & { readonly verifyClient?: VerifyClient };

const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof Options>([
  'path',
  'version',
  'middleware',
  'guards',
  'keepContext',
  'slowConsumer',
  'transports',
  'verifyClient',
]);

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
   * @throws OptionsError for a gateway whose hooks could never run, with the reason
   */
  find(): FoundGateway[] {
    const described = gatewayProviders(this.modules).map((provider) => this.describe(provider));
    return described.filter((gateway) => gateway !== undefined);
  }

  /** @returns undefined for a gateway without hooks that names a port: it stays on Nest's WsAdapter */
  private describe(provider: GatewayProvider): FoundGateway | undefined {
    const { metatype, moduleKey, port, scoped } = provider;
    const { name } = metatype;
    const hasHooks = HOOKS.some((hook) => hook in (metatype.prototype as object));
    if (port && !hasHooks) return undefined;
    const options = provider.options as Options;
    const { middleware = true, keepContext = false, guards = hasHooks ? 'handshake' : 'message' } = options;
    const instance = provider.instance as FoundGateway['instance'];
    const paths = hasHooks ? this.paths.expand(options) : [options.path ?? '/'].flat().map(asWsAdapter);
    const facts = { name, instance, scoped, moduleKey, paths, hasHooks, middleware, keepContext, guards };
    requireUsable(facts, port);
    this.warnOfOptions(name, options);
    const { slowConsumer, transports, verifyClient } = options;
    return { ...facts, slowConsumer, transports, verifyClient };
  }

  /** Some options of `ws` and Socket.IO are limits, so an option without effect must not go unnoticed. */
  private warnOfOptions(name: string, options: Options): void {
    const unknown = Object.keys(options).filter((option) => !KNOWN_OPTIONS.has(option));
    if (unknown.length === 0) return;
    const advice = 'use the REALTIME_* settings instead (docs/gateways.md)';
    this.logger.warn(`${name}: ${unknown.join(', ')} in @WebSocketGateway() has no effect here: ${advice}`);
  }
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
