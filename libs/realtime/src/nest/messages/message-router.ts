import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Awaitable } from '../../awaitable.js';
import type { Message } from '../../message.js';
import { asObservable, isDeferred } from '../replies.js';
import type { ErrorReplies, ErrorSource, RequestId } from './error-replies.js';
import type { MessageMethod } from './message-methods.js';
import { type StreamHost, Streams } from './streams.js';

type OnMessage = (connection: Connection, message: Message) => Awaitable<void>;

/** Returns what a message says; `undefined` when it cannot be read, UNANSWERED when nobody is to answer it. */
export type ParseMessage = (message: Message) => unknown;

/** Stands for a message for which the application's own parser returned nothing: the client gets no error frame. */
export const UNANSWERED = Symbol('unanswered');

/** Longest id that a reply repeats, in characters. */
const MAX_ID = 256;

const BAD_ENVELOPE = 'Expected JSON of the form { "event": "name", "data": … }';

/** An envelope of a client. Events may be numbers, as in `@SubscribeMessage(Opcode.Join)`. */
interface Request {
  readonly connection: Connection;
  readonly event: string | number;
  readonly data: unknown;
  readonly id: RequestId;
  readonly bytes: number;
}

const IN_ON_MESSAGE: ErrorSource = { hook: 'onMessage' };

/**
 * Road IN, step 5: an envelope with a known event goes to its method, anything else to `onMessage`; without an
 * `onMessage` the client gets an error frame. Several gateways on one path may have methods for the same event: all of
 * them are called.
 */
export class MessageRouter {
  private readonly streams: Streams;

  constructor(
    private readonly methods: ReadonlyMap<unknown, readonly MessageMethod[]>,
    private readonly onMessage: OnMessage | undefined,
    private readonly parse: ParseMessage,
    private readonly errors: ErrorReplies,
    private readonly host: StreamHost,
  ) {
    this.streams = new Streams(host);
  }

  receive(connection: Connection, message: Message): Awaitable<void> {
    if (this.methods.size === 0 && this.onMessage) return this.hook(connection, message);
    const value = this.parse(message);
    const request = asRequest(connection, value, message.size);
    const methods = request && this.methods.get(request.event);
    if (request && methods) {
      return methods.length === 1 ? this.call(methods[0]!, request) : this.callAll(methods, request);
    }
    if (this.onMessage) return this.hook(connection, message);
    if (value !== UNANSWERED) this.rejectUnknown(connection, request);
  }

  /** A synchronous hook stays synchronous. */
  private hook(connection: Connection, message: Message): Awaitable<void> {
    const failed = (error: unknown) => this.errors.send(connection, error, IN_ON_MESSAGE);
    try {
      const result = this.onMessage!(connection, message);
      return isDeferred(result) ? Promise.resolve(result).catch(failed) : undefined;
    } catch (error) {
      failed(error);
    }
  }

  private rejectUnknown(connection: Connection, request: Request | undefined): void {
    this.errors.send(connection, this.unknown(connection, request?.event), { id: request?.id });
  }

  /** Only an event that no method has can be too long. */
  private unknown({ id }: Connection, event: string | number | undefined): MessageError {
    if (typeof event !== 'string') return new MessageError('bad_envelope', BAD_ENVELOPE);
    const { settings, limits } = this.host;
    const isTooLong = event.length > settings.maxNameLength;
    if (isTooLong && limits.reached('nameLength', `name=event characters=${event.length} id=${id}`)) {
      return new MessageError('bad_name', `The name of the event is longer than ${settings.maxNameLength} characters`);
    }
    return new MessageError('unknown_event', `Unknown event ${JSON.stringify(event.slice(0, 100))}`);
  }

  private async callAll(methods: readonly MessageMethod[], request: Request): Promise<void> {
    for (const method of methods) await this.call(method, request);
  }

  private call(method: MessageMethod, request: Request): Awaitable<void> {
    try {
      const result = method.call(request.connection, request.data, request.event);
      return isDeferred(result) ? this.replyLater(method, request, result) : this.reply(request, result);
    } catch (error) {
      this.fail(request, error);
    }
  }

  private async replyLater(method: MessageMethod, request: Request, deferred: unknown): Promise<void> {
    try {
      const value = await deferred;
      const items = asObservable(value);
      const reply = (item: unknown) => this.reply(request, item);
      if (!items) reply(value);
      else if (method.isStream) {
        this.streams.run(request.connection, items, reply, (error) => this.fail(request, error));
      } else {
        await this.streams.drain(request.connection, items, reply);
      }
    } catch (error) {
      this.fail(request, error);
    }
  }

  /** `undefined` and `null` send nothing, nor does a reply after the end. With an id the reply is always an envelope. */
  private reply({ connection, event, id }: Request, value: unknown): void {
    if (value === undefined || value === null || connection.readyState !== 1) return;
    if (id === undefined) connection.send(JSON.stringify(value));
    else connection.send(JSON.stringify({ ...(isEnvelope(value) ? value : { event, data: value }), id }));
  }

  private fail({ connection, event, data, id, bytes }: Request, error: unknown): void {
    this.errors.send(connection, error, { cause: { pattern: event, data }, id, bytes });
  }
}

function asRequest(connection: Connection, value: unknown, bytes: number): Request | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { event, data, id } = value as Record<string, unknown>;
  if (typeof event !== 'string' && typeof event !== 'number') return undefined;
  const isId = typeof id === 'number' || (typeof id === 'string' && id.length <= MAX_ID);
  return { connection, event, data, id: isId ? id : undefined, bytes };
}

function isEnvelope(value: unknown): value is object {
  return typeof value === 'object' && typeof (value as { event?: unknown }).event === 'string';
}
