/** Road OUT, step 7: the answers of several nodes to one question, and the one answer that they make. */
import { type Awaitable, isPromise } from '../awaitable.js';
import { nodeOf } from '../command.js';
import type { ConnectionInfo } from '../connection.js';
import { RealtimeError } from '../errors.js';
import type { Answer, Asked, AskOptions, Member, Members, Page, Rechecked } from '../question.js';
import { numberOf } from '../roll.js';

/** The answers of all nodes that have answered in time. */
export interface AllAnswers<A> {
  readonly answers: readonly A[];
  /** The nodes that have not answered: their ids, or `*` for all others while the broker is away. */
  readonly missing: readonly string[];
}

/** Puts the answers of this node before those of the others. */
export function allOf<A>(own: readonly Awaitable<A>[], { answers, missing }: Asked<A>): Awaitable<AllAnswers<A>> {
  if (own.some(isPromise)) return Promise.all(own).then((first) => allOf(first as A[], { answers, missing }));
  return { answers: [...(own as readonly A[]), ...answers.values()], missing };
}

/** Connections are listed in the order of their nodes' ids, then of their own numbers. */
function inOrder({ id: a }: ConnectionInfo, { id: b }: ConnectionInfo): number {
  const [nodeA, nodeB] = [nodeOf(a), nodeOf(b)];
  if (nodeA === nodeB) return numberOf(a) - numberOf(b);
  return nodeA < nodeB ? -1 : 1;
}

/** What is said of nodes that have not answered: nothing when all have. */
const said = (missing: readonly string[]) => (missing.length > 0 ? { missing } : {});

/** @returns the first items of all pages */
export function mergedPage({ answers, missing }: AllAnswers<Answer<'list'>>, limit: number): Page<ConnectionInfo> {
  if (answers.length === 1) return { ...answers[0]!, ...said(missing) };
  const all = answers.flatMap(({ items }) => items).sort(inOrder);
  const items = all.slice(0, limit);
  const hasMore = all.length > limit || answers.some(({ next }) => next !== undefined);
  return { items, ...(hasMore && { next: items.at(-1)!.id }), ...said(missing) };
}

/** @param max how many there may be; one more is the error that `tooMany` makes */
export function mergedMembers(
  { answers, missing }: AllAnswers<Answer<'members'>>,
  max: number,
  tooMany: (found: number) => void,
): Members {
  const all: Member[] = answers.flat();
  if (all.length > max) tooMany(all.length);
  return Object.assign(all, said(missing));
}

export const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** @throws RealtimeError `not_kept` when requests of connections were not kept; the others were asked all the same */
export function mergedRecheck({ answers, missing }: AllAnswers<Answer<'recheck'>>): Rechecked {
  const notKept = sum(answers.map((each) => each.notKept));
  if (notKept > 0) throw notKeptError(notKept);
  const checked = sum(answers.map((each) => each.checked));
  return { checked, closed: sum(answers.map(({ closed }) => closed)), ...said(missing) };
}

function notKeptError(count: number): RealtimeError {
  return new RealtimeError(
    'not_kept',
    `The requests of ${count} connections were not kept, so their guards cannot be asked again: set recheck: true in @WebSocketGateway() or REALTIME_RECHECK_INTERVAL`,
  );
}

/** @throws RealtimeError `incomplete` when the answer has to be exact and a node has not answered */
export function requireAll<A>(all: AllAnswers<A>, { exact = false }: AskOptions): AllAnswers<A> {
  if (!exact || all.missing.length === 0) return all;
  const who = all.missing.includes('*') ? 'the broker is away' : `no answer in time from ${all.missing.join(', ')}`;
  throw new RealtimeError('incomplete', `The answer would not be exact: ${who}`);
}
