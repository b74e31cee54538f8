import type { Channel } from '../command.js';
import type { Interest } from './interest.js';

/**
 * Subscribes channels for members that are about to enter: what is released lingers, so they find it subscribed.
 *
 * @returns undefined when there is nothing to wait for; else resolves when all are confirmed, or their time is over
 */
export function prepare(interest: Interest, channels: readonly Channel[]): Promise<void> | undefined {
  const waits = channels.map((channel) => interest.hold(channel)).filter((wait) => wait !== undefined);
  const release = () => channels.forEach((channel) => interest.release(channel));
  if (waits.length > 0) return Promise.all(waits).then(release);
  release();
  return undefined;
}
