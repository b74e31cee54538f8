import type { Socket } from 'node:net';
import { type Awaitable, isPromise } from '../awaitable.js';
import { Deadlines } from '../limits/deadlines.js';

interface Running<S> {
  readonly subject: S;
  readonly refuse: (error: Error) => void;
}

/** Tasks with a deadline: a result that arrives after its task was refused is ignored. */
export class Attempts<S, T> {
  private readonly tasks: Deadlines<Running<S>>;

  /**
   * @param timeMs how long each task may take
   * @param late called at the deadline; a task that it does not refuse goes on
   */
  constructor(timeMs: number, late: (subject: S, refuse: (error: Error) => void) => void) {
    const refuse = (running: Running<S>) => (error: Error) => this.refuse(running, error);
    this.tasks = new Deadlines<Running<S>>(
      timeMs,
      (running) => late(running.subject, refuse(running)),
      (error, running) => refuse(running)(error as Error),
    );
  }

  get size(): number {
    return this.tasks.size;
  }

  /**
   * Runs a task; one that waits for nothing has no deadline.
   *
   * @param subject passed to `late`
   * @throws what the task throws
   */
  run(subject: S, task: () => Awaitable<T>): Awaitable<T> {
    const result = task();
    return isPromise(result) ? this.follow(subject, result) : result;
  }

  private follow(subject: S, result: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const running = { subject, refuse: reject };
      this.tasks.add(running);
      result.then(
        (value) => (this.tasks.delete(running) ? resolve(value) : undefined),
        (error: unknown) => this.refuse(running, error as Error),
      );
    });
  }

  /** Refuses all tasks in progress. */
  refuseAll(error: Error): void {
    for (const { refuse } of this.tasks.clear()) refuse(error);
  }

  private refuse(running: Running<S>, error: Error): void {
    if (this.tasks.delete(running)) running.refuse(error);
  }
}

/** Calls back when the client has gone: at once if it already has. A FIN of the client shows only as `end`. */
export function whenGone(socket: Socket, gone: () => void): void {
  if (socket.destroyed || socket.readableEnded) gone();
  else for (const event of ['end', 'close']) socket.once(event, gone);
}
