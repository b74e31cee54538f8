/** Histories under one contract: in memory, in one Redis, in a Redis Cluster. */
import { MemoryHistory } from '../../libs/realtime/src/brokers/memory-history.js';
import { positionText } from '../../libs/realtime/src/position.js';
import { type HistoryBench, historyContract } from '../contracts/history.contract.js';
import { RedisBench } from '../support/fakes/redis-bench.js';
import { clusterUrl, RedisProcess, startCluster } from '../support/redis.js';

historyContract({ name: 'one Redis', start: () => oneRedis() });

historyContract({
  name: 'a Redis Cluster',
  start: async () => {
    const nodes = await startCluster();
    return RedisBench.start(clusterUrl(nodes), nodes);
  },
});

historyContract({ name: 'memory', start: async () => memory() });

async function oneRedis(): Promise<HistoryBench> {
  const redis = await RedisProcess.start();
  return RedisBench.start(redis.url, [redis]);
}

/** A history in memory forgets a room when the room is taken away from it. */
function memory(): HistoryBench {
  const log: string[] = [];
  const history = new MemoryHistory((channel, { position: { n, tag, previous }, message }) =>
    log.push(`${channel} ${positionText({ n, tag })} ${previous} ${message.bytes().toString()}`),
  );
  return {
    history,
    subscribe: async () => {},
    delivered: async () => [...log],
    arrived: async () => {},
    clear: () => (log.length = 0),
    flush: async () => history.clear(),
    stop: async () => {},
  };
}
