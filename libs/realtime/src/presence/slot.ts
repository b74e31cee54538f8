/** A user in the part of one node, and the one user that the slots of several nodes make. */
import type { PresenceRow } from '../presence.js';

export interface Slot {
  readonly connections: number;
  /** As JSON; undefined when there is none. */
  readonly state: string | undefined;
  /** The number of the last change of the state, over all nodes; 0 when there was none. */
  readonly change: number;
  /** Since when the user has been there, by the clock of this node. */
  readonly since: number;
}

/** @returns a user as the wire has it: the age in whole milliseconds, never below 0 */
export function rowOf(user: string, { connections, state, since, change }: Slot, now: number): PresenceRow {
  const value: unknown = state === undefined ? null : JSON.parse(state);
  return [user, connections, value, Math.max(0, Math.round(now - since)), change];
}

/** A slot, and the node that has it. */
export type Held = readonly [node: string, slot: Slot];

/** A change of a user's state, or the removal of the user, and the node that made it. */
export interface Mark {
  readonly change: number;
  readonly node: string;
}

/** @returns whether the first mark is the later one; every node decides it in the same way */
export function isLater(a: Mark, b: Mark | undefined): boolean {
  return b === undefined || a.change > b.change || (a.change === b.change && a.node > b.node);
}

export interface Merged extends Slot {
  /** The node whose change of the state counts. */
  readonly node: string;
}

/** @returns the user whom all slots together make; undefined without any */
export function merge(held: readonly Held[]): Merged | undefined {
  const [first, ...others] = held;
  if (!first) return undefined;
  let merged: Merged = { ...first[1], node: first[0] };
  for (const [node, { connections, state, change, since }] of others) {
    const counts = isLater({ change, node }, merged);
    merged = {
      ...(counts ? { state, change, node } : { state: merged.state, change: merged.change, node: merged.node }),
      connections: merged.connections + connections,
      since: Math.min(merged.since, since),
    };
  }
  return merged;
}
