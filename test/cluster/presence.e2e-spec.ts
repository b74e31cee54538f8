/** The contract of presence, in memory and over real Redis. */
import { presenceContract } from '../contracts/presence.contract.js';
import { RedisProcess } from '../support/redis.js';

presenceContract('memory');

presenceContract('one Redis', () => RedisProcess.start());

presenceContract('one Redis with signed frames', () => RedisProcess.start(), { clusterKeys: ['k'.repeat(32)] });
