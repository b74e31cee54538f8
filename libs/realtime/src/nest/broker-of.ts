/** Which broker the settings ask for. */
import type { Broker } from '../broker.js';
import { MemoryBroker } from '../brokers/memory.js';
import { redisConnection } from '../brokers/redis/redis-connection.js';
import { redisLink } from '../brokers/redis/redis-link.js';
import type { PassedClient } from '../brokers/redis/topology.js';
import { workersLink } from '../brokers/workers/workers-link.js';
import { ClusterBroker } from '../cluster/cluster-broker.js';
import { LINK_TIMES } from '../cluster/link.js';
import type { Log } from '../log.js';
import type { IoredisInstance } from '../settings/options.js';
import { keepsHistory } from '../settings/room-options.js';
import type { RealtimeSettings } from '../settings/settings.js';

/** @param redis an instance of ioredis in place of `REALTIME_REDIS_URL` */
export function brokerOf(settings: RealtimeSettings, log: Log, redis?: IoredisInstance): Broker {
  if (!settings.enabled || settings.broker === 'memory') return new MemoryBroker(settings);
  const times = {
    ...LINK_TIMES,
    timeoutMs: settings.brokerTimeout * 1000,
    probeIntervalMs: settings.probeInterval * 1000,
    probeTimeoutMs: settings.probeInterval * 500,
  };
  const { app, workersFolder: folder, maxWorkerBytes: maxWaitingBytes, maxBrokerFrameBytes: maxFrameBytes } = settings;
  return new ClusterBroker(settings.broker, settings, log, async (node) => {
    if (settings.broker === 'workers') return workersLink({ folder, node, maxWaitingBytes, maxFrameBytes, times });
    // Without a history no script is loaded, and Redis need not allow any
    const connect = keepsHistory(settings) ? redisConnection : redisLink;
    return connect({ at: (redis as PassedClient | undefined) ?? settings.redisUrl, app, node, times });
  });
}
