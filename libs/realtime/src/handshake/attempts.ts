import type { Socket } from 'node:net';
import { Deadlines } from '../limits/deadlines.js';

interface Attempt<S> {
  readonly subject: S;
  readonly refuse: (error: Error) => void;
}

/** Work that is under way with a deadline: what comes after it, or after it was refused, is nothing to anybody. */
export class Attempts<S, T> {
  private readonly attempts: Deadlines<Attempt<S>>;

  /**
   * @param timeMs how long each may take
   * @param late called then, with what refuses it
   */
  constructor(timeMs: number, late: (subject: S, refuse: (error: Error) => void) => void) {
    this.attempts = new Deadlines(timeMs, (attempt) => late(attempt.subject, (error) => this.refuse(attempt, error)));
  }

  get size(): number {
    return this.attempts.size;
  }

  /**
   * @param subject what it is done for
   * @param task what is to be done
   */
  run(subject: S, task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = { subject, refuse: reject };
      this.attempts.add(attempt);
      started(task).then(
        (result) => (this.attempts.delete(attempt) ? resolve(result) : undefined),
        (error: unknown) => this.refuse(attempt, error as Error),
      );
    });
  }

  /** Ends all that is under way. */
  refuseAll(error: Error): void {
    for (const { refuse } of this.attempts.clear()) refuse(error);
  }

  private refuse(attempt: Attempt<S>, error: Error): void {
    if (this.attempts.delete(attempt)) attempt.refuse(error);
  }
}

/** A throw is a rejection too: nothing may stay under way for ever. */
function started<T>(task: () => Promise<T>): Promise<T> {
  try {
    return task();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/** A deadline that is only reported ends with the client, whose FIN shows only as `end`. */
export function whenGone(socket: Socket, gone: () => void): void {
  if (socket.destroyed || socket.readableEnded) gone();
  else for (const event of ['end', 'close']) socket.once(event, gone);
}
