/** Road OUT, step 7: questions to the one node that a connection belongs to. */
import { connectionIdOf, nodeOf } from '../command.js';
import { RealtimeError } from '../errors.js';
import type { Answer, OwnerQuestionKind, Question } from '../question.js';

/** The answer where there is no such connection. */
export const NO_CONNECTION: { readonly [K in OwnerQuestionKind]: Answer<K> } = {
  order: false,
  exists: false,
  info: undefined,
};

/** @returns the node that a question about one connection is for; undefined for the others */
export function ownerIn(question: Question): string | undefined {
  if (question.kind !== 'members' && question.kind !== 'count') return undefined;
  const id = connectionIdOf(question.channel);
  return id === undefined ? undefined : nodeOf(id);
}

export function noAnswer(owner: string, isDegraded: boolean): RealtimeError {
  const why = isDegraded ? 'the broker is away or slow' : 'REALTIME_ASK_TIMEOUT is over';
  return new RealtimeError('no_answer', `The node ${owner} of this connection has not answered: ${why}`);
}
