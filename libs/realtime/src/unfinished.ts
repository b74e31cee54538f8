import type { Socket } from 'node:net';

/** Work that is under way with a deadline: what comes after it, or after it was refused, is nothing to anybody. */
export class Unfinished<T> {
  private readonly refusals = new Set<(error: Error) => void>();

  get size(): number {
    return this.refusals.size;
  }

  /**
   * @param task what is to be done
   * @param timeoutMs how long it may take
   * @param late called then, with what refuses it
   */
  run(task: () => Promise<T>, timeoutMs: number, late: (refuse: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) => {
        settle();
        reject(error);
      };
      const settle = () => {
        clearTimeout(timer);
        return this.refusals.delete(refuse);
      };
      const timer = setTimeout(() => late(refuse), timeoutMs);
      this.refusals.add(refuse);
      attempt(task).then(
        (result) => (settle() ? resolve(result) : undefined),
        (error: unknown) => (settle() ? reject(error as Error) : undefined),
      );
    });
  }

  /** Ends all that is under way. */
  refuseAll(error: Error): void {
    for (const refuse of this.refusals) refuse(error);
  }
}

/** A throw is a rejection too: nothing may stay under way for ever. */
async function attempt<T>(task: () => Promise<T>): Promise<T> {
  return task();
}

/** A deadline that is only reported ends with the client, whose FIN shows only as `end`. */
export function whenGone(socket: Socket, gone: () => void): void {
  if (socket.destroyed || socket.readableEnded) gone();
  else for (const event of ['end', 'close']) socket.once(event, gone);
}
