// Readiness for `@nestjs/terminus`, an optional peer
export { RealtimeHealthIndicator } from './realtime.health-indicator.js';
export { RealtimeHealthModule } from './realtime.health-module.js';
