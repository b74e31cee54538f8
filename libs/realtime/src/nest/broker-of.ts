/** Which broker the settings ask for. */
import { Logger } from '@nestjs/common';
import type { Broker } from '../broker.js';
import { MemoryBroker } from '../brokers/memory.js';
import { redisConnection } from '../brokers/redis/redis-connection.js';
import type { PassedClient } from '../brokers/redis/topology.js';
import { ClusterBroker } from '../cluster/cluster-broker.js';
import { LINK_TIMES } from '../cluster/link.js';
import type { IoredisInstance } from '../settings/options.js';
import type { RealtimeSettings } from '../settings/settings.js';

/** @param redis an instance of ioredis in place of `REALTIME_REDIS_URL` */
export function brokerOf(settings: RealtimeSettings, redis?: IoredisInstance): Broker {
  if (!settings.enabled || settings.broker === 'memory') return new MemoryBroker(settings);
  const times = {
    ...LINK_TIMES,
    timeoutMs: settings.brokerTimeout * 1000,
    probeIntervalMs: settings.probeInterval * 1000,
    probeTimeoutMs: settings.probeInterval * 500,
  };
  const at = (redis as PassedClient | undefined) ?? settings.redisUrl;
  return new ClusterBroker(settings.broker, settings, new Logger('Realtime'), (node) =>
    redisConnection({ at, app: settings.app, node, times }),
  );
}
