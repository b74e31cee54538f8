import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { Engine } from '../engine.js';

/**
 * Readiness: down before the application is ready and from the first moment of a shutdown, so that the load balancer
 * sends new clients elsewhere while the old ones are let go.
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
   * @param key the name in the answer
   * @returns up or down, with the open connections and the handshakes under way
   */
  isReady<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { gate, node } = this.modules.get(Engine, { strict: false });
    const check = this.indicators.check(key);
    const facts = { connections: node.hub.connections.size, unfinished: gate.underWay };
    return gate.isRunning ? check.up(facts) : check.down(facts);
  }
}
