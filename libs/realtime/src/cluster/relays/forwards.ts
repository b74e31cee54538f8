/**
 * Requests that are answered with a status: forwarded to the owner, and repeated once when its answer is late. The owner
 * remembers what it has answered, so that nothing is taken twice. Road IN, step 1.
 */
import type { ForwardedRequest, Outcome } from '../../relay.js';
import { Asking } from '../asking.js';
import type { Clock } from '../clock.js';
import type { NodeId } from '../format.js';
import type { Done, Forward } from './relay-messages.js';

export interface ForwardsOptions {
  readonly clock: Clock;
  /** How long the owner has for its answer, in milliseconds; after half of it the request is repeated. */
  readonly deadlineMs: number;
  /** How many requests may wait for answers, and how many answers are remembered. */
  readonly maxForwards: number;
}

/** The way to the other nodes. They throw or reject where nothing can be sent. */
export interface ForwardLines {
  forward(to: NodeId, forward: Forward): Promise<unknown>;
  /** MUST NOT throw. */
  done(to: NodeId, done: Done): void;
  nextId(): number;
  /** Takes a request of another node. MUST NOT throw. */
  take(request: ForwardedRequest): Outcome;
  full(count: number): void;
}

/** An answer of this node is remembered for so many deadlines: longer than its request can be repeated. */
const REMEMBERED = 10;

export class Forwards {
  private readonly asking: Asking<ForwardedRequest, Done>;
  /** The answers of this node, by who asked; the oldest first. */
  private readonly answered = new Map<string, { readonly outcome: Outcome; readonly at: number }>();

  constructor(
    private readonly options: ForwardsOptions,
    private readonly lines: ForwardLines,
  ) {
    const { deadlineMs, maxForwards: maxQuestions } = options;
    this.asking = new Asking<ForwardedRequest, Done>(
      { deadlineMs, maxQuestions },
      () => lines.nextId(),
      () => ({ add: (done) => done }),
      (id, request, [to]) => this.send(to!, { ...request, id }),
      (waiting) => lines.full(waiting),
    );
  }

  /** How many answers are remembered. */
  get size(): number {
    return this.answered.size;
  }

  /** @returns what the owner has answered; undefined when it has not, and may have taken the request or not */
  async forward(to: NodeId, request: ForwardedRequest): Promise<Outcome | undefined> {
    const { answers } = await this.asking.ask(request, [to]);
    const done = answers.get(to);
    return done && { status: done.status, message: done.message, retryAfter: done.retryAfter };
  }

  /** A request of another node has come, perhaps not for the first time. */
  received(from: NodeId, { id, ...request }: Forward): void {
    const key = `${from} ${id}`;
    const known = this.answered.get(key);
    const outcome = known?.outcome ?? this.lines.take(request);
    if (!known) this.remember(key, outcome);
    this.lines.done(from, { ...outcome, id });
  }

  /** The owner has answered. */
  done(from: NodeId, done: Done): void {
    this.asking.answered(from, done.id, done);
  }

  /** A node is gone: nobody waits for its answer. */
  lost(node: NodeId): void {
    this.asking.lost(node);
  }

  stop(): void {
    this.asking.stop();
  }

  private async send(to: NodeId, forward: Forward): Promise<void> {
    const { clock, deadlineMs } = this.options;
    await this.lines.forward(to, forward);
    clock.after(deadlineMs / 2, () => {
      if (this.asking.has(forward.id)) this.lines.forward(to, forward).catch(() => {});
    });
  }

  private remember(key: string, outcome: Outcome): void {
    const { clock, deadlineMs, maxForwards } = this.options;
    this.answered.set(key, { outcome, at: clock.now() });
    const before = clock.now() - REMEMBERED * deadlineMs;
    for (const [oldest, { at }] of this.answered) {
      if (at > before && this.answered.size <= maxForwards) break;
      this.answered.delete(oldest);
    }
  }
}
