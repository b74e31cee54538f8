/** What the members of a room with presence were told, and how to wait for it. */
import { until } from '../process-guard.js';
import type { ClusterMember } from './cluster-nodes.js';

/** What a member was told with `rt:presence`. */
export interface Told {
  readonly room: string;
  readonly users?: readonly { id: string; state?: unknown; sinceMs: number; connections: number }[];
  readonly next?: string;
  readonly join?: readonly { id: string; state?: unknown }[];
  readonly update?: readonly { id: string; state?: unknown }[];
  readonly leave?: readonly string[];
}

export const told = ({ texts }: ClusterMember): Told[] =>
  texts.map((text) => JSON.parse(text) as { event: string; data: Told }).map(({ data }) => data);
export const list = (member: ClusterMember) =>
  until(
    'the list of users',
    () => told(member)[0]?.users,
    (users) => users !== undefined,
  );
export const events = (member: ClusterMember, kind: 'join' | 'update' | 'leave') =>
  told(member).flatMap((each) => (each[kind] ?? []).map((user) => (typeof user === 'string' ? user : user.id)));
export const untilTold = (member: ClusterMember, kind: 'join' | 'update' | 'leave', users: string[]) =>
  until(
    `${kind} of ${users.join()}`,
    () => events(member, kind),
    (seen) => seen.join() === users.join(),
  );
