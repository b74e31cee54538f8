import { CANCEL_EVENT, DONE_EVENT, type DoneData, encodeEnvelope, isRequestId } from 'nestjs-realtime-protocol';
import { Subject } from 'rxjs';
import type { Connection } from '../../connection.js';
import type { MessageError } from '../../errors.js';
import type { ErrorReplies } from './error-replies.js';
import type { KeptAnswer } from './handled-requests.js';
import { replyText } from './reply-text.js';

/** The id of a request, if the client gave one: replies, errors and the end carry it. */
export type RequestId = string | number | undefined;

/** Marks a Request among the arguments of a guard or filter, also for another copy of this module. */
const REQUEST = Symbol.for('nestjs-realtime:request');

/** Who knows which requests are open. */
export interface RequestOwner {
  /** Called once for a request with an id. */
  end(request: Request): void;
}

/**
 * An envelope of a client. Without an id each reply is sent as it is. With an id each reply is an envelope with that id,
 * and the request gets exactly one end: the only reply of its only method, an error, or `rt:done`. Events may be
 * numbers, as in `@SubscribeMessage(Opcode.Join)`.
 */
export class Request {
  /** True when the client has cancelled it: a stream that has not begun never begins. */
  isCancelled = false;
  /**
   * True for a method that returned one value, which interceptors turn into an Observable: its only item is the end, as
   * it would be without interceptors.
   */
  isSingle = false;
  /** Keeps the answer, for a client that may send the request again. */
  kept?: KeptAnswer;
  private isEnded = false;
  private sent = 0;
  private dropped = 0;
  /** The methods that have not finished; several gateways may have one for the same event. */
  private unfinished = 1;
  private isShared = false;
  private failure?: { readonly error: unknown };
  private stopping?: Subject<void>;

  constructor(
    readonly connection: Connection,
    readonly event: string | number,
    readonly data: unknown,
    readonly id: RequestId,
    /** The length of the message, in bytes. */
    readonly bytes: number,
    private readonly errors: ErrorReplies,
    private readonly owner: RequestOwner,
  ) {}

  get [REQUEST](): true {
    return true;
  }

  /** Emits when the client cancels the request; undefined without an id. */
  get stopped(): Subject<void> | undefined {
    return this.id === undefined ? undefined : (this.stopping ??= new Subject());
  }

  /** Called first, when several methods will answer: their replies are then items of one stream. */
  expect(methods: number): void {
    this.unfinished = methods;
    this.isShared = methods > 1;
  }

  /** Ends the streams of replies, and with them the request. A method that is still running is not interrupted. */
  cancel(): void {
    this.isCancelled = true;
    this.stopping?.next();
  }

  /**
   * Sends the only reply of a method. Nothing is sent for `undefined` and `null`.
   *
   * @throws TypeError when the value cannot be encoded
   */
  reply(value: unknown): void {
    this.isSingle = true;
    this.send(value);
    this.finish();
  }

  /**
   * Sends one of several replies, unless the request or the connection has ended. Nothing is sent for `undefined` and
   * `null`.
   *
   * @throws TypeError when the value cannot be encoded
   */
  send(value: unknown): void {
    if (value === undefined || value === null || this.isEnded || this.connection.readyState !== 1) return;
    if (this.write(replyText(value, this))) this.sent++;
    else this.dropped++;
  }

  /** A method has finished. When it was the last one, the request ends. */
  finish(): void {
    if (--this.unfinished > 0 || this.id === undefined || this.isEnded) return;
    this.end();
    const { connection, id, failure, sent, dropped } = this;
    if (this.isSingle && !this.isShared && !failure && sent === 1 && dropped === 0) return;
    if (failure) this.errors.send(connection, failure.error, this.source);
    else this.write(encodeEnvelope(DONE_EVENT, { dropped } satisfies DoneData, id));
  }

  /** Answers without handling it. */
  refuse(error: MessageError): void {
    this.errors.send(this.connection, error, { id: this.id });
  }

  private write(text: string): boolean {
    this.kept?.add(text);
    return this.connection.send(text);
  }

  /** A method has failed. The first error is the end of the request; others are counted and logged. */
  fail(error: unknown): void {
    if (this.id === undefined) return this.errors.send(this.connection, error, this.source);
    if (this.isEnded || this.failure) this.errors.note(this.connection, error, this.source);
    else this.failure = { error };
    this.finish();
  }

  /** Marks the end. @returns false when the request has none, or has ended before */
  end(): boolean {
    if (this.id === undefined || this.isEnded) return false;
    this.isEnded = true;
    if (this.kept) this.kept.isComplete = true;
    this.owner.end(this);
    return true;
  }

  /** What a log or JSON shows of it. */
  toJSON(): object {
    return { event: this.event, id: this.id };
  }

  private get source() {
    const { event: pattern, data, id, bytes } = this;
    return { cause: { pattern, data }, id, bytes, kept: this.kept };
  }
}

/** @returns the request among the arguments of a method; undefined for a hook and for a message without an id */
export function requestOf(args: readonly unknown[]): Request | undefined {
  return args.find((arg): arg is Request => typeof arg === 'object' && arg !== null && REQUEST in arg);
}

/** What an envelope says; undefined for anything else. */
export interface EnvelopeIn {
  readonly event: string | number;
  readonly data: unknown;
  readonly id: RequestId;
}

export function envelopeOf(value: unknown): EnvelopeIn | undefined {
  if (!isObject(value)) return undefined;
  const { event, data } = value;
  return typeof event === 'string' || typeof event === 'number' ? { event, data, id: idOf(value) } : undefined;
}

/** @returns the id of a message that was read, whether or not it is an envelope */
export function idOf(value: unknown): RequestId {
  return isObject(value) && isRequestId(value['id']) ? value['id'] : undefined;
}

/** @returns the id of the request that a message cancels; undefined when it cancels none */
export function cancelledBy({ event, id }: EnvelopeIn): RequestId {
  return event === CANCEL_EVENT ? id : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
