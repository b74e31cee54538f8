import { OptionsError } from '../../errors.js';
import type { RedisClient } from './client.js';

/** The oldest versions that have all commands that are used. */
const OLDEST = { single: [6, 2], cluster: [7, 0] } as const;

/**
 * A server whose version cannot be read, because the user may not call INFO, is taken as it is.
 *
 * @throws OptionsError when the server is too old
 */
export async function checkServer(client: RedisClient, isCluster: boolean): Promise<void> {
  const info = await client.info('server').catch(() => '');
  const [, major, minor] = /^redis_version:(\d+)\.(\d+)/m.exec(info) ?? [];
  if (major === undefined) return;
  const [oldestMajor, oldestMinor] = isCluster ? OLDEST.cluster : OLDEST.single;
  const isOld = Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
  if (!isOld) return;
  throw new OptionsError(
    `Redis ${major}.${minor} is too old: ${oldestMajor}.${oldestMinor} is the oldest version that works` +
      (isCluster ? ' as a Cluster' : ''),
  );
}

/** @returns false also when the server does not say it */
export async function isReplica(client: RedisClient): Promise<boolean> {
  const role = await client.role().catch(() => []);
  return String(role[0]) === 'slave';
}
