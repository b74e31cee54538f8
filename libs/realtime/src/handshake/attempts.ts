import type { Socket } from 'node:net';
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
   * Runs a task.
   *
   * @param subject passed to `late`
   */
  run(subject: S, task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const running = { subject, refuse: reject };
      this.tasks.add(running);
      started(task).then(
        (result) => (this.tasks.delete(running) ? resolve(result) : undefined),
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

/** Turns a throw into a rejection, so that no task stays in progress for ever. */
function started<T>(task: () => Promise<T>): Promise<T> {
  try {
    return task();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/** Calls back when the client has gone: at once if it already has. A FIN of the client shows only as `end`. */
export function whenGone(socket: Socket, gone: () => void): void {
  if (socket.destroyed || socket.readableEnded) gone();
  else for (const event of ['end', 'close']) socket.once(event, gone);
}
