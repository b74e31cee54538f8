/** Which version of the wire the nodes of a cluster speak: the highest one that all of them read. */
import { OptionsError } from '../errors.js';
import { type NodeId, VERSION } from './format.js';

/** The lowest and the highest version that a node reads. */
export type Reads = readonly [min: number, max: number];

/** What this release reads. It MUST include every version that a history may still hold. */
export const READS: Reads = [1, VERSION];

/** @returns the highest version that all read; undefined when there is none */
export function commonVersion(all: Iterable<Reads>): number | undefined {
  let [min, max]: Reads = [1, 31];
  for (const [from, to] of all) {
    min = Math.max(min, from);
    max = Math.min(max, to);
  }
  return min <= max ? max : undefined;
}

/**
 * Returns the version in which a node that starts sends.
 *
 * @param own what it reads
 * @param others what the nodes read that it has heard of
 * @throws OptionsError when no version is read by all: it would not be understood, so it must not start
 */
export function versionAtStart(own: Reads, others: ReadonlyMap<NodeId, Reads>): number {
  const version = commonVersion([own, ...others.values()]);
  if (version !== undefined) return version;
  const apart = [...others].filter(([, reads]) => commonVersion([own, reads]) === undefined);
  // Each pair may have a version in common while all together have none
  const named = (apart.length > 0 ? apart : [...others]).slice(0, 5);
  const list = named.map(([node, [min, max]]) => `${node} reads ${min} to ${max}`).join(', ');
  throw new OptionsError(
    `This node reads the versions ${own[0]} to ${own[1]} of the wire between nodes, but ${list}: ` +
      'no version is read by all. Deploy a release in between first, or stop the other nodes',
  );
}
