import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { CloseCode } from 'nestjs-realtime-protocol';
import { Broker } from '../broker.js';
import { Engine } from '../engine.js';
import { OptionsError } from '../errors.js';
import { HeaderDeadline } from '../http/header-deadline.js';
import { UpgradeTap } from '../http/upgrade-tap.js';
import { RealtimeSettings } from '../settings/settings.js';
import { PollingTransport } from '../transports/requests/polling.js';
import { Requests } from '../transports/requests/requests.js';
import { SseTransport } from '../transports/requests/sse.js';
import { WebSocketTransport } from '../transports/websocket/websocket.js';
import { afterBootstrap } from './after-bootstrap.js';
import { bootTable } from './boot-table.js';
import { guardNames } from './enhancers/guard-names.js';
import type { FoundGateway } from './found-gateway.js';
import { requireNoLateHooks } from './gateways/gateway-hooks.js';
import { GatewayCompiler } from './gateways/gateway.compiler.js';
import { GatewayExplorer } from './gateways/gateway.explorer.js';
import { PlatformBridge } from './platforms/platform-bridge.js';
import { PresenceHooks } from './presence-hooks.js';
import { RealtimeAdapter } from './realtime.adapter.js';
import { answered, endConnections, onRetire, reportReady, settled } from './retirement.js';
import { drainOnSignals } from './signals.js';

/** How long a worker that retires waits for the first request of connections that it has accepted. */
const FIRST_REQUEST_MS = 3000;

/** Starts and stops the engine with the application: binds gateways, attaches to its HTTP server, drains. */
@Injectable()
export class RealtimeLifecycle
  implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown
{
  private gateways: FoundGateway[] = [];
  /** False when the application has chosen another adapter. */
  private isInUse = true;
  private tap?: UpgradeTap;
  private deadline?: HeaderDeadline;
  private forgetSignals: () => void = () => {};
  private forgetRetirement: () => void = () => {};

  constructor(
    @Inject(RealtimeSettings) private readonly settings: RealtimeSettings,
    @Inject(Engine) private readonly engine: Engine,
    @Inject(Broker) private readonly broker: Broker,
    @Inject(GatewayExplorer) private readonly explorer: GatewayExplorer,
    @Inject(GatewayCompiler) private readonly compiler: GatewayCompiler,
    @Inject(PlatformBridge) private readonly bridge: PlatformBridge,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(RealtimeAdapter) private readonly adapter: RealtimeAdapter,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(PresenceHooks) private readonly presenceHooks: PresenceHooks,
  ) {}

  /** Gateways are instances now, and the HTTP server exists: upgrades get 503 until the application is ready. */
  onModuleInit(): void {
    if (!this.settings.enabled) return;
    this.gateways = this.explorer.find();
    this.isInUse = this.hasOurAdapter();
    if (!this.isInUse) return;
    const { server } = this.bridge;
    const { gate, node } = this.engine;
    const compiled = this.compiler.compile(this.gateways, this.bridge.open(this.engine, this.requests()));
    for (const gateway of compiled) gate.bind(gateway);
    if (!server) return;
    this.bridge.mount(compiled.filter(({ answersGet }) => answersGet).map(({ path }) => path));
    this.deadline = new HeaderDeadline(server, this.settings.headerTimeout, node.limits);
    this.tap = new UpgradeTap(server, gate, new WebSocketTransport(gate, this.engine.open, node), this.deadline);
    server.once('listening', () => this.checkAddress(server));
  }

  /** Admits when the last module is ready: a server that listened before `app.init()` has clients already. */
  async onApplicationBootstrap(): Promise<void> {
    if (!afterBootstrap(this.modules, () => this.start())) await this.start();
  }

  private async start(): Promise<void> {
    requireNoLateHooks(this.gateways);
    this.presenceHooks.bind();
    for (const warning of this.settings.warnings) this.engine.node.log.warn(warning);
    await this.engine.start();
    if (!this.settings.enabled) {
      this.engine.node.log.warn('Realtime is off (REALTIME_ENABLED): upgrades get 404, pushes reach nobody');
      return;
    }
    if (this.isInUse) this.logTable();
    this.forgetSignals = drainOnSignals(() => this.stop());
    this.forgetRetirement = onRetire(() => this.retire());
    if (!this.bridge.server) reportReady();
  }

  /** Another worker has the place of this one. The rest of a shutdown is that of a signal. */
  private async retire(): Promise<void> {
    const { server } = this.bridge;
    if (server) endConnections(server);
    // Clients that were connected to this worker a moment ago are let in, and closed like the others
    await settled(() => !this.deadline?.size && this.engine.gate.underWay === 0, FIRST_REQUEST_MS);
    // No delay: the port is that of the other workers, and the readiness of the process group is theirs
    await this.engine.stop(CloseCode.SERVICE_RESTART, 0);
    if (server) await answered(server, this.settings.shutdownTimeout * 1000);
    process.kill(process.pid, 'SIGTERM');
  }

  private logTable(): void {
    const { log } = this.engine.node;
    const found = { gateways: this.gateways, elsewhere: this.explorer.elsewhere() };
    const table = bootTable(this.settings, found, this.broker, (gateway) => guardNames(this.config, gateway));
    log.log(`${this.tap ? 'Realtime is ready' : 'Realtime has started'}\n${table}`);
    if (this.tap) return;
    if (this.broker.isShared) log.log('Realtime has no HTTP server here: pushes and questions go to the other nodes');
    else log.warn('Realtime has no HTTP server here: nothing can connect, pushes reach nobody');
  }

  /** The first step of a shutdown: readiness is down, and after the delay there are no new connections. */
  onModuleDestroy(): Promise<void> {
    return this.leave();
  }

  private stop(): Promise<void> {
    void this.leave();
    return this.engine.stop();
  }

  /** Where there is no server, no load balancer has to notice. */
  private leave(): Promise<void> {
    return this.bridge.server ? this.engine.leave() : this.engine.leave(0);
  }

  /** Before Nest closes the HTTP server, which would wait for open connections. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.stop();
    this.forgetSignals();
    this.forgetRetirement();
    this.tap?.detach();
    this.deadline?.stop();
  }

  private requests(): Requests {
    const { gate, node, open } = this.engine;
    return new Requests(gate, open, node, [new SseTransport(node), new PollingTransport(node)], this.broker.relays);
  }

  /** @throws OptionsError when hooks would never run because the application chose another adapter */
  private hasOurAdapter(): boolean {
    if (this.config.getIoAdapter() === this.adapter) return true;
    const other = 'The application calls useWebSocketAdapter(), which takes the place of RealtimeModule';
    const hooked = this.gateways.filter(({ hasHooks }) => hasHooks).map(({ name }) => name);
    if (hooked.length > 0) {
      throw new OptionsError(`${other}: the hooks of ${hooked.join(', ')} would never run. Remove that call.`);
    }
    this.engine.node.log.warn(`${other}: gateways run there, RealtimeServer delivers to nobody`);
    return false;
  }

  private checkAddress(server: Server): void {
    const at = server.address() as AddressInfo | string;
    const { address, port } = typeof at === 'string' ? { address: at, port: undefined } : at;
    const { listenIp, listenPort } = this.settings;
    const isSet = (name: 'listenIp' | 'listenPort') => this.settings.sourceOf(name) !== 'default';
    const advice = 'has no effect: main.ts must call app.listen(settings.listenPort, settings.listenIp)';
    if (isSet('listenPort') && listenPort !== 0 && listenPort !== port) {
      const where = port === undefined ? address : `port ${port}`;
      this.engine.node.log.warn(`REALTIME_LISTEN_PORT=${listenPort} ${advice}; the application listens on ${where}`);
    }
    if (isSet('listenIp') && listenIp !== address) {
      this.engine.node.log.warn(`REALTIME_LISTEN_IP=${listenIp} ${advice}; the application listens on ${address}`);
    }
  }
}
