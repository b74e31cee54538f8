import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { RealtimeHealthIndicator } from './realtime.health-indicator.js';

/**
 * Provides RealtimeHealthIndicator. RealtimeModule itself has to be imported in the root module.
 *
 * @example @Module({ imports: [TerminusModule, RealtimeHealthModule], controllers: [HealthController] })
 */
@Module({
  imports: [TerminusModule],
  providers: [RealtimeHealthIndicator],
  exports: [RealtimeHealthIndicator],
})
export class RealtimeHealthModule {}
