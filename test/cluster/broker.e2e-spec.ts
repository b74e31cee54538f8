/** The broker contract, in memory and over real Redis: one server, Sentinel, a Cluster of three. */
import { brokerContract } from '../contracts/broker.contract.js';
import { clusterUrl, RedisProcess, startCluster, startSentinels } from '../support/redis.js';

brokerContract({ name: 'memory' });

brokerContract({ name: 'one Redis', start: () => RedisProcess.start() });

brokerContract({ name: 'a Redis behind Sentinel', start: startSentinels });

brokerContract({
  name: 'a Redis Cluster',
  start: async () => {
    const servers = await startCluster();
    return { url: clusterUrl(servers), stop: () => Promise.all(servers.map((server) => server.stop())) };
  },
});
