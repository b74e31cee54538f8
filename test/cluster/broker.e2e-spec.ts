/** The broker contract, in memory, over workers, and over real Redis: one server, Sentinel, a Cluster of three. */
import { brokerContract } from '../contracts/broker.contract.js';
import { QUICK } from '../contracts/broker-link.contract.js';
import { clusterUrl, RedisProcess, startCluster, startSentinels } from '../support/redis.js';
import { WorkersFolder } from '../support/workers.js';

brokerContract({ name: 'memory' });

let workers: WorkersFolder;

brokerContract({
  name: 'workers',
  start: async () => (workers = new WorkersFolder()),
  link: (_folder, node) => workers.link(node, QUICK),
});

brokerContract({ name: 'one Redis', start: () => RedisProcess.start() });

brokerContract({
  name: 'one Redis with signed frames',
  start: () => RedisProcess.start(),
  options: { clusterKeys: ['k'.repeat(32)] },
});

brokerContract({
  name: 'a Redis behind Sentinel',
  start: async () => {
    const { url, stop, master, replica } = await startSentinels();
    // Whichever is the master now
    const servers = [master, replica];
    return {
      ...{ url, stop },
      kill: () => Promise.all(servers.map((server) => server.kill())),
      restart: () => Promise.all(servers.map((server) => server.restart())),
    };
  },
});

brokerContract({
  name: 'a Redis Cluster',
  start: async () => {
    const servers = await startCluster();
    return {
      url: clusterUrl(servers),
      kill: () => Promise.all(servers.map((server) => server.kill())),
      restart: () => Promise.all(servers.map((server) => server.restart())),
      stop: () => Promise.all(servers.map((server) => server.stop())),
    };
  },
});
