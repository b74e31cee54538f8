/** The requests that wait for their answer, by the id that their messages carry. */
import type { ExceptionData } from './contract.js';
import { ClientError, RequestError } from './errors.js';
import type { Incoming } from './rooms.js';
import type { Outgoing } from './session.js';

/** What a request does with its answers. */
export interface Waiting {
  readonly event: string;
  readonly message: Outgoing;
  /** An answer; more may follow. */
  item(data: unknown): void;
  /** It has ended: without another answer, or with an error. */
  end(error?: Error): void;
}

const LOST = {
  unknown: 'the connection was lost, and the server may have handled it',
  closed: 'the connection is closed',
  queue_full: 'the queue is full',
};

export const failure = (event: string, code: keyof typeof LOST): ClientError =>
  new ClientError(code, `No answer to ${event}: ${LOST[code]}`);

export class Replies {
  #waiting = new Map<string, Waiting>();
  #count = 0;

  /** @returns an id that was never used before: later ids are higher */
  nextId(): string {
    return String(++this.#count);
  }

  add(id: string, waiting: Waiting): void {
    this.#waiting.set(id, waiting);
  }

  /** @returns true for an answer, also when nobody waits for it any more */
  received({ event, data, id }: Incoming): boolean {
    if (id === undefined) return false;
    const waiting = this.#waiting.get(id);
    if (event === 'rt:done') this.end(id);
    else if (event !== 'exception') waiting?.item(data);
    else if (waiting) this.end(id, new RequestError(waiting.event, data as ExceptionData));
    return true;
  }

  /** @returns the message of the request; undefined when it had ended */
  end(id: string, error?: Error): Outgoing | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.end(error);
    return waiting?.message;
  }

  /** @param all also those that have not left */
  fail(code: 'unknown' | 'closed', all: boolean): void {
    for (const [id, { event, message }] of [...this.#waiting]) {
      if (all || message.isSent) this.end(id, failure(event, code));
    }
  }
}
