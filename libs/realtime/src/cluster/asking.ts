/**
 * Road OUT, step 7: questions to other nodes. Each is answered within its deadline, by those who answered in time and
 * with the names of those who did not; it never hangs, and never rejects because one node was slow.
 */
import { Deadlines } from '../limits/deadlines.js';
import type { Asked } from '../question.js';
import type { NodeId } from './format.js';

/** Sends a question. It may throw or reject: nobody can then be asked. */
type Send<Q> = (id: number, question: Q, to: readonly NodeId[]) => void | PromiseLike<void>;

export interface AskingOptions {
  /** How long the nodes have for their answers, in milliseconds. */
  readonly deadlineMs: number;
  /** How many questions may wait for answers at once; one more is answered by nobody. */
  readonly maxQuestions: number;
}

/** Puts the parts of one node's answer together. */
export interface Collector<A> {
  /** @returns the whole answer; undefined while parts are missing */
  add(part: A): A | undefined;
}

/** Reports a question that was not sent, because too many wait for answers. */
type Overflow = (waiting: number) => void;

interface Pending<A> {
  readonly id: number;
  readonly answers: Map<NodeId, A>;
  /** Nodes that may still answer, and what they have said so far. */
  readonly waitsFor: Map<NodeId, Collector<A>>;
  /** Nodes that are gone. */
  readonly gone: NodeId[];
  readonly settle: (asked: Asked<A>) => void;
}

export class Asking<Q, A> {
  private readonly pending = new Map<number, Pending<A>>();
  private readonly deadlines: Deadlines<Pending<A>>;

  constructor(
    private readonly options: AskingOptions,
    /** Numbers that no other question or order of this node has. */
    private readonly nextId: () => number,
    private readonly collectorOf: (question: Q) => Collector<A>,
    private readonly send: Send<Q>,
    private readonly overflow: Overflow,
  ) {
    const end = (pending: Pending<A>) => this.end(pending);
    this.deadlines = new Deadlines(options.deadlineMs, end, (_error, pending) => end(pending));
  }

  /** How many questions wait for answers. */
  get size(): number {
    return this.pending.size;
  }

  /** @returns whether a question still waits for answers */
  has(id: number): boolean {
    return this.pending.has(id);
  }

  /**
   * Asks nodes.
   *
   * @param to the nodes; none: resolves at once
   * @returns never rejects
   */
  ask(question: Q, to: readonly NodeId[]): Promise<Asked<A>> {
    if (to.length === 0) return Promise.resolve({ answers: new Map(), missing: [] });
    if (this.pending.size >= this.options.maxQuestions) {
      this.overflow(this.pending.size);
      return Promise.resolve({ answers: new Map(), missing: [...to] });
    }
    return new Promise((settle) => {
      const waitsFor = new Map(to.map((node) => [node, this.collectorOf(question)]));
      const pending = { id: this.nextId(), answers: new Map<NodeId, A>(), waitsFor, gone: [], settle };
      this.pending.set(pending.id, pending);
      this.deadlines.add(pending);
      void this.trySend(pending, question, to);
    });
  }

  /**
   * A node has answered, or has sent a part of its answer. One that is late, repeated, or to a question that this node
   * was not asked is ignored.
   */
  answered(from: NodeId, id: number, part: A): void {
    const pending = this.pending.get(id);
    const answer = pending?.waitsFor.get(from)?.add(part);
    if (!pending || answer === undefined) return;
    pending.waitsFor.delete(from);
    pending.answers.set(from, answer);
    if (pending.waitsFor.size === 0) this.end(pending);
  }

  /** A node is gone: nobody waits for it any longer. */
  lost(node: NodeId): void {
    for (const pending of [...this.pending.values()]) {
      if (!pending.waitsFor.delete(node)) continue;
      pending.gone.push(node);
      if (pending.waitsFor.size === 0) this.end(pending);
    }
  }

  /** Answers all questions with what has come so far. */
  stop(): void {
    for (const pending of this.deadlines.clear()) this.end(pending);
  }

  private async trySend(pending: Pending<A>, question: Q, to: readonly NodeId[]): Promise<void> {
    try {
      await this.send(pending.id, question, to);
    } catch {
      this.end(pending);
    }
  }

  private end(pending: Pending<A>): void {
    if (!this.pending.delete(pending.id)) return;
    this.deadlines.delete(pending);
    pending.settle({ answers: pending.answers, missing: [...pending.gone, ...pending.waitsFor.keys()] });
  }
}
