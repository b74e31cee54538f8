/** The messages of a test client: those that nobody has asked for yet, and the calls that wait for one. */
import { asEnvelope, DONE_EVENT, type Envelope, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import { lastOf, shown, withTimeout } from './waiting.js';
import type { ClientEnd, Received } from './wires/wire.js';

/** The error that `request` rejects with when the server answers with an `exception`. */
export interface Rejection extends Error {
  /** The event that was requested. */
  readonly event: string;
  /** The `data` of the exception, for example `{ status: 'error', message: 'There is no such order' }`. */
  readonly data: unknown;
}

/** What a call waits for. */
interface Want {
  /** In words, for the error. */
  readonly what: string;
  /** @returns undefined for a message that is not the one; else a function that returns the value or throws */
  readonly pick: (data: Received) => (() => unknown) | undefined;
  /** True for the reply to a request: it is not given to a call that takes any message. */
  readonly isReply?: boolean;
}

interface Waiter extends Want {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Any message. */
export const anyMessage: Want = { what: 'a message', pick: (value) => () => value };

/** The `data` of an envelope. */
export function envelopeOf(event: string): Want {
  return {
    what: `the event "${event}"`,
    pick: (received) => {
      const envelope = read(received);
      return envelope?.event === event ? () => envelope.data : undefined;
    },
  };
}

/** The end of a request: its reply, its exception, or its completion without a value. */
export function replyTo(event: string, id: number): Want {
  return {
    what: `the reply to "${event}" (id ${id})`,
    isReply: true,
    pick: (received) => {
      const envelope = read(received);
      if (envelope?.id !== id) return undefined;
      return () => {
        if (envelope.event === EXCEPTION_EVENT) throw rejectionOf(event, envelope.data);
        return envelope.event === DONE_EVENT ? undefined : envelope.data;
      };
    },
  };
}

export class Mailbox {
  private readonly unread: Received[] = [];
  private readonly waiters: Waiter[] = [];
  private end?: ClientEnd;
  private failure?: Error;

  constructor(private readonly timeoutMs: number) {}

  /** Resolves with the first message that is wanted. @throws Error at the deadline, or when the connection ends first */
  async next(want: Want): Promise<unknown> {
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure;
    for (const [index, data] of this.unread.entries()) {
      const found = want.pick(data);
      if (!found) continue;
      this.unread.splice(index, 1);
      return found();
    }
    if (this.end) throw this.endedBefore(want);
    return this.wait(want);
  }

  private wait(want: Want): Promise<unknown> {
    let waiter: Waiter | undefined;
    const arrived = new Promise<unknown>((resolve, reject) => {
      waiter = { ...want, resolve, reject };
      this.waiters.push(waiter);
    });
    const late = () => new Error(`Waited ${this.timeoutMs} ms for ${want.what}. ${this.unreadInWords()}`);
    return withTimeout(arrived, this.timeoutMs, late).finally(() => {
      const index = this.waiters.indexOf(waiter!);
      if (index >= 0) this.waiters.splice(index, 1);
    });
  }

  received(data: Received): void {
    const inTurn = [...this.waiters].sort((one, other) => Number(other.isReply ?? 0) - Number(one.isReply ?? 0));
    for (const waiter of inTurn) {
      const found = waiter.pick(data);
      if (!found) continue;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      try {
        waiter.resolve(found());
      } catch (rejection) {
        waiter.reject(rejection);
      }
      return;
    }
    this.unread.push(data);
  }

  /** The connection has ended: what waits for a message waits in vain. */
  finish(end: ClientEnd): void {
    this.end = end;
    for (const waiter of this.waiters.splice(0)) waiter.reject(this.endedBefore(waiter));
  }

  private endedBefore({ what }: Want): Error {
    const { code, reason } = this.end!;
    const end = `The connection has ended (code ${code} "${reason}")`;
    return new Error(`${end} before ${what} arrived. ${this.unreadInWords()}`);
  }

  /** The server did not take a message: the next call, or those that wait, report it. */
  fail(error: Error): void {
    if (this.waiters.length === 0) this.failure = error;
    for (const { reject } of this.waiters.splice(0)) reject(error);
  }

  /** Says what came instead. */
  unreadInWords(): string {
    const count = this.unread.length;
    if (count === 0) return 'Nothing else came';
    return `Instead came ${count === 1 ? '1 message' : `${count} messages`}: ${lastOf(this.unread.map(shown))}`;
  }
}

function read(data: Received): Envelope | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    return asEnvelope(JSON.parse(data));
  } catch {
    return undefined;
  }
}

function rejectionOf(event: string, data: unknown): Rejection {
  const { message = data } = (data ?? {}) as { message?: unknown };
  return Object.assign(new Error(`The request "${event}" was rejected: ${shown(message)}`), { event, data });
}
