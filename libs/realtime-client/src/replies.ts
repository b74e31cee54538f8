/** The requests that wait for their answer, by the id that their messages carry. */
import type { ExceptionData } from './contract.js';
import { ClientError, RequestError } from './errors.js';
import type { Incoming } from './rooms.js';
import type { LostCode, Outgoing } from './session.js';

/** What a request does with its answers. */
export interface Answers {
  /** An answer; more may follow. */
  item(data: unknown): void;
  /** It has ended: without another answer, or with an error. */
  finish(error?: Error): void;
}

/** A message that is answered. */
export interface Request extends Outgoing, Answers {
  readonly event: string;
}

const LOST: Readonly<Record<LostCode, string>> = {
  unknown: 'the connection was lost, and the server may have handled it',
  closed: 'the connection is closed',
  queue_full: 'the queue is full',
};

export class Replies {
  #waiting = new Map<string, Request>();
  #count = 0;

  /** @returns an id that was never used before: later ids are higher */
  nextId(): string {
    return `${++this.#count}`;
  }

  /** @returns the request, which can fail from now on */
  add(id: string, request: Request): Request {
    const fail = (why: LostCode) =>
      this.finish(id, new ClientError(why, `No answer to ${request.event}: ${LOST[why]}`));
    const added = { ...request, fail };
    this.#waiting.set(id, added);
    return added;
  }

  /** @returns true for an answer, also when nobody waits for it any more */
  received({ event, data, id }: Incoming): boolean {
    if (id === undefined) return false;
    const request = this.#waiting.get(id);
    if (event === 'rt:done') this.finish(id);
    else if (event !== 'exception') request?.item(data);
    else if (request) this.finish(id, new RequestError(request.event, data as ExceptionData));
    return true;
  }

  /** @returns the request; undefined when it had ended */
  finish(id: string, error?: Error): Request | undefined {
    const request = this.#waiting.get(id);
    this.#waiting.delete(id);
    request?.finish(error);
    return request;
  }

  /** @param all also those that have not left */
  fail(why: LostCode, all: boolean): void {
    for (const request of [...this.#waiting.values()]) {
      if (all || request.isSent) request.fail!(why);
    }
  }
}
