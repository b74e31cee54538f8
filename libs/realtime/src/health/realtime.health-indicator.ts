import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Engine } from '../engine.js';

/**
 * Reports readiness: down before the application is ready and from the first moment of a shutdown, so that the load
 * balancer sends new clients elsewhere. The open connections are closed `REALTIME_SHUTDOWN_DELAY` later.
 *
 * @example
 * @Get('ready')
 * @HealthCheck()
 * ready() {
 *   return this.health.check([() => this.realtime.isReady('realtime')]);
 * }
 */
@Injectable()
export class RealtimeHealthIndicator {
  constructor(
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  /**
   * Checks whether this node accepts connections.
   *
   * @param key the name of the check in the answer
   * @returns up or down, with the number of open connections and of handshakes under way, and whether the broker is
   *   `ok` or `degraded`; it turns readiness down only with `REALTIME_READY_WITHOUT_BROKER=false`
   */
  isReady<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { gate, node, isReady: isOpen } = this.modules.get(Engine, { strict: false });
    const check = this.indicators.check(key);
    const { isDegraded } = node.broker;
    const facts = { connections: node.hub.connections.size, unfinished: gate.underWay };
    const said = { ...facts, ...(node.broker.isShared && { broker: isDegraded ? 'degraded' : 'ok' }) };
    const isReady = isOpen && (node.settings.readyWithoutBroker || !isDegraded);
    return isReady ? check.up(said) : check.down(said);
  }
}
