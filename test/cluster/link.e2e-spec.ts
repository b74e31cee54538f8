/** The link to Redis, with real ones: one server, three sentinels with a master and a replica, a Cluster of three. */
import { linkContract } from '../contracts/broker-link.contract.js';
import { clusterUrl, RedisProcess, startCluster, startSentinels } from '../support/redis.js';

linkContract({ name: 'one Redis', start: () => RedisProcess.start() });

linkContract({ name: 'a Redis behind Sentinel', start: startSentinels });

linkContract({
  name: 'a Redis Cluster',
  start: async () => {
    const nodes = await startCluster();
    return { url: clusterUrl(nodes), stop: () => Promise.all(nodes.map((node) => node.stop())) };
  },
});
