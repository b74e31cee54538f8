/** The contract of presence, in memory, over workers and over real Redis. */
import { QUICK } from '../contracts/broker-link.contract.js';
import { presenceContract } from '../contracts/presence.contract.js';
import { RedisProcess } from '../support/redis.js';
import { WorkersFolder } from '../support/workers.js';

presenceContract({ name: 'memory' });

let workers: WorkersFolder;

presenceContract({
  name: 'workers',
  start: async () => (workers = new WorkersFolder()),
  link: (_folder, node) => workers.link(node, QUICK),
});

presenceContract({ name: 'one Redis', start: () => RedisProcess.start() });

presenceContract({
  name: 'one Redis with signed frames',
  start: () => RedisProcess.start(),
  options: { clusterKeys: ['k'.repeat(32)] },
});
