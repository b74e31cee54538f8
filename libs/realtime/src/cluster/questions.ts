/** Road OUT, step 7: questions to other nodes, and the answers to theirs. */
import type { LocalNode } from '../broker.js';
import { RealtimeError } from '../errors.js';
import type { Answer, Asked, Question, QuestionKind } from '../question.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { AnswerParts, partsOf } from './answer-parts.js';
import { Asking } from './asking.js';
import type { ClusterLog } from './cluster-log.js';
import { type NodeId, nodeChannel } from './format.js';
import type { Answer as AnswerFrame, Answered, Ask } from './messages.js';
import { EVERY_NODE, type Letter, type Post } from './post.js';

/** How many bytes the items of one part of an answer have. */
const PART_BYTES = 32 * 1024;

export class Questions {
  private readonly asking: Asking<Question, AnswerFrame>;
  /** Questions of other nodes that are being answered. */
  private answering = 0;

  constructor(
    private readonly local: LocalNode,
    private readonly post: Post,
    private readonly settings: Pick<RealtimeSettings, 'askTimeout' | 'maxQuestions' | 'maxMembers'>,
    private readonly lines: ClusterLog,
  ) {
    this.asking = new Asking<Question, AnswerFrame>(
      { deadlineMs: settings.askTimeout * 1000, maxQuestions: settings.maxQuestions },
      () => post.nextId(),
      ({ kind }) => new AnswerParts(kind, Math.max(settings.maxMembers, 100)),
      (id, question, to) => this.send({ id, question }, to),
      (waiting) => lines.questionDropped(waiting),
    );
  }

  /**
   * Asks nodes.
   *
   * @returns within the deadline, with the nodes that have not answered
   * @throws RealtimeError when a node refuses
   */
  async ask<K extends QuestionKind>(question: Question<K>, to: readonly NodeId[]): Promise<Asked<Answer<K>>> {
    const { answers, missing } = await this.asking.ask(question as Question, to);
    this.lines.unanswered(question.kind, missing);
    return { answers: new Map([...answers].map(([node, answer]) => [node, valueOf<K>(answer)])), missing };
  }

  /** A node has answered. */
  answered(from: NodeId, answer: AnswerFrame): void {
    this.asking.answered(from, answer.id, answer);
  }

  /** A node asks. Above `REALTIME_MAX_QUESTIONS` it is not answered, and counts this node as missing. */
  async asked(from: NodeId, { id, question }: Ask): Promise<void> {
    if (this.answering >= this.settings.maxQuestions) return this.lines.questionDropped(this.answering);
    this.answering++;
    try {
      const answer = await this.answerTo(id ?? 0, question);
      if (id === undefined) return;
      for (const part of partsOf(answer, PART_BYTES)) await this.post.send(this.answer(part, from));
    } catch (error) {
      this.lines.notPublished(nodeChannel(from), error);
    } finally {
      this.answering--;
    }
  }

  /** A node has gone: nobody waits for its answer. */
  lost(node: NodeId): void {
    this.asking.lost(node);
  }

  stop(): void {
    this.asking.stop();
  }

  private async send(ask: Ask, to: readonly NodeId[]): Promise<void> {
    await this.post.send(this.post.ask(ask, to.length === 1 ? to[0]! : EVERY_NODE));
  }

  /** An answer that cannot be on the wire is a fault of this node: who asked need not wait for it. */
  private answer(answer: AnswerFrame, to: NodeId): Letter {
    try {
      return this.post.answer(answer, to);
    } catch (error) {
      this.lines.failed(`answer ${answer.kind}`, error);
      return this.post.answer({ id: answer.id, kind: 'failed', ...FAILED }, to);
    }
  }

  private async answerTo(id: number, question: Question): Promise<AnswerFrame> {
    try {
      const value = await this.local.answer(question);
      return { id, kind: question.kind, value, part: 0, hasMore: false } as Answered;
    } catch (error) {
      if (!(error instanceof RealtimeError)) this.lines.failed(`answer to ${question.kind}`, error);
      const { code, message } = error instanceof RealtimeError ? error : FAILED;
      return { id, kind: 'failed', code, message: message.slice(0, 1000) };
    }
  }
}

const FAILED = { code: 'failed', message: 'The node could not answer: its log says why' };

function valueOf<K extends QuestionKind>(answer: AnswerFrame): Answer<K> {
  if (answer.kind === 'failed') throw new RealtimeError(answer.code, answer.message);
  return (answer as Answered).value as Answer<K>;
}
