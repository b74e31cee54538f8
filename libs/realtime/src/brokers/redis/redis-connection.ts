import type { Link } from '../../cluster/link.js';
import { HISTORY_SCRIPTS } from './history-scripts.js';
import { RedisHistory } from './redis-history.js';
import { redisLink, type RedisLinkOptions } from './redis-link.js';

/**
 * Makes the link of a node to Redis, which also keeps the histories of rooms; its `start` connects it.
 *
 * @throws OptionsError as `redisLink`
 */
export async function redisConnection(options: Omit<RedisLinkOptions, 'scripts'>): Promise<Link> {
  const link = await redisLink({ ...options, scripts: HISTORY_SCRIPTS });
  return Object.assign(link, { history: new RedisHistory(link) });
}
