import { type DynamicModule, Inject, Module, type NestModule } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { Broker } from '../broker.js';
import { Engine } from '../engine.js';
import { OptionsError } from '../errors.js';
import { RealtimeServer } from '../server.js';
import type { RealtimeOptions } from '../settings/options.js';
import { RealtimeSettings } from '../settings/settings.js';
import { brokerOf } from './broker-of.js';
import { Enhancers } from './enhancers/enhancers.js';
import { HandshakeGuards } from './enhancers/handshake-guards.js';
import { GatewayPaths } from './gateways/gateway-paths.js';
import { GatewayCompiler } from './gateways/gateway.compiler.js';
import { GatewayExplorer } from './gateways/gateway.explorer.js';
import { HookInvoker } from './gateways/hook-invoker.js';
import { MessageMethods } from './messages/message-methods.js';
import { moduleLog } from './nest-log.js';
import { PresenceHooks } from './presence-hooks.js';
import { PlatformBridge } from './platforms/platform-bridge.js';
import { RealtimeAdapter } from './realtime.adapter.js';
import { RealtimeLifecycle } from './realtime.lifecycle.js';
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, type OPTIONS_TYPE } from './realtime.module-definition.js';

/**
 * Realtime for an existing Nest application: import it once, in the root module, and write gateways.
 *
 * @example
 * @Module({ imports: [RealtimeModule.forRoot()], providers: [WebSocketService] })
 * export class AppModule {}
 */
@Module({
  providers: [
    {
      provide: RealtimeSettings,
      useFactory: (options?: RealtimeOptions) => RealtimeSettings.from(options),
      inject: [{ token: MODULE_OPTIONS_TOKEN, optional: true }],
    },
    {
      provide: Broker,
      useFactory: (settings: RealtimeSettings, options?: RealtimeOptions) =>
        brokerOf(settings, moduleLog(), options?.redis),
      inject: [RealtimeSettings, { token: MODULE_OPTIONS_TOKEN, optional: true }],
    },
    {
      provide: Engine,
      useFactory: (settings: RealtimeSettings, broker: Broker) => new Engine(settings, broker, moduleLog()),
      inject: [RealtimeSettings, Broker],
    },
    {
      provide: RealtimeServer,
      useFactory: (engine: Engine) => new RealtimeServer(engine),
      inject: [Engine],
    },
    RealtimeAdapter,
    GatewayPaths,
    GatewayExplorer,
    HandshakeGuards,
    Enhancers,
    HookInvoker,
    MessageMethods,
    GatewayCompiler,
    PlatformBridge,
    PresenceHooks,
    RealtimeLifecycle,
  ],
  exports: [RealtimeServer, RealtimeSettings],
})
export class RealtimeModule extends ConfigurableModuleClass implements NestModule {
  constructor(
    @Inject(ApplicationConfig) config: ApplicationConfig,
    @Inject(RealtimeAdapter) adapter: RealtimeAdapter,
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(PlatformBridge) private readonly bridge: PlatformBridge,
  ) {
    super();
    requireOnce(modules);
    config.setIoAdapter(adapter);
  }

  /** Nest asks for middleware before it registers any: the last moment to watch where it goes. */
  configure(): void {
    this.bridge.watchMiddleware();
  }

  /**
   * @param options settings in code; they win over `REALTIME_*` variables, which win over `.env`
   * @throws OptionsError at boot that lists every bad setting
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return super.forRoot(options);
  }
}

/** Two engines on one port would answer every upgrade twice. */
function requireOnce(modules: ModulesContainer): void {
  const found = [...modules.values()].filter(({ metatype }) => metatype === RealtimeModule).length;
  if (found <= 1) return;
  throw new OptionsError(
    `RealtimeModule is imported ${found} times: call RealtimeModule.forRoot() once, in the root module. ` +
      'It is global, so other modules inject RealtimeServer without importing anything.',
  );
}
