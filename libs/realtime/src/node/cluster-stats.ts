/** What all nodes have counted, as one. */
import type { Stats } from '../stats.js';
import type { AllAnswers } from './all-answers.js';

/** The counts that can be added up. */
type Sums = Omit<Stats, 'startedAt' | 'broker'>;

/** What `RealtimeServer.clusterStats()` returns. */
export interface ClusterStats {
  /** The sums over `nodes`. A user or a room that several nodes have is counted once for each. */
  readonly total: Sums;
  /** The counts of each node that has answered in time; the one that was asked is the first. */
  readonly nodes: readonly Stats[];
  /** The nodes that have not answered: their ids, or `*` for all others while the broker is away. */
  readonly missing: readonly string[];
}

type Counts = Readonly<Record<string, number>>;

export function clusterStats({ answers, missing }: AllAnswers<Stats>): ClusterStats {
  const counted = answers.map(({ startedAt: _startedAt, broker: _broker, ...sums }) => sums);
  return { total: counted.reduce(added), nodes: answers, missing };
}

function added(a: Sums, b: Sums): Sums {
  const { closed, limits, history, ...counts } = a;
  const total = addedCounts(counts, b as unknown as Counts);
  const groups = { closed: addedCounts(closed, b.closed), limits: addedCounts(limits, b.limits) };
  return { ...total, ...groups, history: addedCounts(history, b.history ?? {}) };
}

/** Adds what both have; a node of another release may count other things. */
function addedCounts<T extends object>(a: T, b: object): T {
  const others = b as Counts;
  return Object.fromEntries(Object.entries(a).map(([name, count]) => [name, count + (others[name] ?? 0)])) as T;
}
