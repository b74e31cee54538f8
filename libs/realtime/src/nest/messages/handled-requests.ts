/**
 * Requests of client libraries that were handled lately. One that is sent again is not handled again: its client gets
 * the answer that was kept, or the error `already_handled`. A bare client may use an id again.
 */
import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Request, RequestId } from './request.js';

/** How many answers of one connection are kept, for how many milliseconds, and how many bytes of them. */
const MAX_ANSWERS = 256;
const MAX_MS = 120_000;
const MAX_BYTES = 262_144;

/** The answer to one request, as far as it has been given. */
export class KeptAnswer {
  readonly at = performance.now();
  isComplete = false;
  bytes = 0;
  private sent: string[] = [];

  /** The messages of the answer; none when they were too long to keep. */
  get texts(): readonly string[] {
    return this.sent;
  }

  add(text: string): void {
    this.bytes += text.length;
    if (this.bytes <= MAX_BYTES) this.sent.push(text);
    else this.sent = [];
  }
}

/** The answers of one connection, the oldest first. */
class Answers {
  private readonly kept = new Map<RequestId, KeptAnswer>();
  /** The highest id that was forgotten: clients use rising ones. */
  private forgotten = -1;

  find(id: RequestId): KeptAnswer | undefined {
    this.forgetOld();
    return this.kept.get(id);
  }

  wasForgotten(id: RequestId): boolean {
    return numberOf(id) <= this.forgotten;
  }

  begin(id: RequestId): KeptAnswer {
    const answer = new KeptAnswer();
    this.kept.set(id, answer);
    return answer;
  }

  private forgetOld(): void {
    let bytes = 0;
    for (const answer of this.kept.values()) bytes += answer.bytes;
    const oldest = performance.now() - MAX_MS;
    for (const [id, answer] of this.kept) {
      if (this.kept.size <= MAX_ANSWERS && bytes <= MAX_BYTES && answer.at > oldest) return;
      if (!answer.isComplete) continue;
      this.kept.delete(id);
      bytes -= answer.bytes;
      this.forgotten = Math.max(this.forgotten, numberOf(id));
    }
  }
}

export class HandledRequests {
  private readonly answers = new WeakMap<Connection, Answers>();

  /**
   * Called when the turn of a request comes.
   *
   * @returns true when it was handled before, or still is: its client has the answer, or gets it
   */
  isRepeated(request: Request): boolean {
    const { connection, id } = request;
    if (id === undefined || !(connection as { isSession?: boolean }).isSession) return false;
    const answers = this.of(connection);
    const kept = answers.find(id);
    if (kept) this.answerAgain(request, kept);
    else if (answers.wasForgotten(id)) request.refuse(alreadyHandled());
    else {
      request.kept = answers.begin(id);
      return false;
    }
    return true;
  }

  /** One that is still being handled gets its answer when it is there. */
  private answerAgain(request: Request, { isComplete, texts }: KeptAnswer): void {
    if (!isComplete) return;
    if (texts.length === 0) request.refuse(alreadyHandled());
    for (const text of texts) request.connection.send(text);
  }

  private of(connection: Connection): Answers {
    const known = this.answers.get(connection) ?? new Answers();
    this.answers.set(connection, known);
    return known;
  }
}

function alreadyHandled(): MessageError {
  return new MessageError('already_handled', 'This request was handled before, and its answer is not kept any more');
}

/** @returns -1 for an id that is no number: such ids do not rise */
function numberOf(id: RequestId): number {
  if (typeof id === 'number') return id;
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : -1;
}
