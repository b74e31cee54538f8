import { CANCEL_EVENT, RESERVED_PREFIX } from 'nestjs-realtime-protocol';
import type { Awaitable } from '../../awaitable.js';
import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Gateway } from '../../gateway.js';
import type { Message } from '../../message.js';
import { asObservable, isDeferred } from '../replies.js';
import { EnvelopeReader } from './envelope-reader.js';
import type { ErrorReplies } from './error-replies.js';
import type { MessageMethod } from './message-methods.js';
import { HandledRequests } from './handled-requests.js';
import { OpenRequests } from './open-requests.js';
import { cancelledBy, type EnvelopeIn, envelopeOf, idOf, Request, type RequestId } from './request.js';
import { type StreamHost, Streams } from './streams.js';

type OnMessage = (connection: Connection, message: Message) => Awaitable<void>;

/** How messages are read. */
export interface MessageParser {
  /** True unless the application has set a parser of its own. */
  readonly isJson: boolean;
  /** Returns what a message says; `undefined` when it cannot be read, UNANSWERED when nobody is to answer it. */
  parse(message: Message): unknown;
}

/** Stands for a message for which the application's own parser returned nothing: the client gets no error frame. */
export const UNANSWERED = Symbol('unanswered');

/** Longest message that can be an `rt:cancel`, in bytes: the id may be escaped. */
const MAX_CANCEL_BYTES = 2048;

/** What every `rt:cancel` contains. */
const CANCEL_MARK = Buffer.from(CANCEL_EVENT);

const BAD_ENVELOPE = 'Expected JSON of the form { "event": "name", "data": … }';
const BAD_CANCEL = 'Expected { "event": "rt:cancel", "id": … } with the id of the request that is to end';

/**
 * Road IN, step 5: an envelope with a known event goes to its method, anything else to `onMessage`; without an
 * `onMessage` the client gets an error frame. Several gateways on one path may have methods for the same event: all of
 * them are called.
 */
export class MessageRouter implements Required<Pick<Gateway, 'onWaiting' | 'requestId'>> {
  private readonly streams: Streams;
  private readonly requests = new OpenRequests();
  private readonly handled = new HandledRequests();
  private readonly envelopes: EnvelopeReader;

  constructor(
    private readonly methods: ReadonlyMap<unknown, readonly MessageMethod[]>,
    private readonly hook: OnMessage | undefined,
    private readonly parser: MessageParser,
    private readonly errors: ErrorReplies,
    private readonly host: StreamHost,
  ) {
    this.streams = new Streams(host);
    this.envelopes = new EnvelopeReader(methods.keys());
  }

  receive(connection: Connection, message: Message): Awaitable<void> {
    if (this.methods.size === 0 && this.hook) return this.callHook(connection, message);
    const known = this.parser.isJson ? this.envelopes.read(message) : undefined;
    const value = known ?? this.parser.parse(message);
    const envelope = known ?? envelopeOf(value);
    const methods = envelope && this.methods.get(envelope.event);
    if (methods) return this.handle(methods, this.open(connection, envelope, message.size));
    if (envelope && isReserved(envelope)) return this.control(connection, envelope);
    if (this.hook) return this.callHook(connection, message);
    if (value !== UNANSWERED) this.reject(connection, this.unknown(connection, envelope?.event), idOf(value));
  }

  /** An `rt:cancel` acts when it is received: the stream that it ends may be what it waits for. Never throws. */
  onWaiting(connection: Connection, message: Message): void {
    if (this.methods.size === 0 || message.size > MAX_CANCEL_BYTES || !message.holds(CANCEL_MARK)) return;
    const envelope = envelopeOf(this.read(message));
    const id = envelope && cancelledBy(envelope);
    if (id !== undefined) this.requests.cancelEarly(connection, id);
  }

  /** @returns the id of the request in a message; undefined for one of this module's own events */
  requestId(message: Message): RequestId {
    const value = this.read(message);
    const envelope = envelopeOf(value);
    return envelope && isReserved(envelope) ? undefined : idOf(value);
  }

  /** Messages of a gateway without message methods are for its hook alone. */
  private read(message: Message): unknown {
    return this.methods.size > 0 ? this.parser.parse(message) : undefined;
  }

  /** A synchronous hook stays synchronous. */
  private callHook(connection: Connection, message: Message): Awaitable<void> {
    const failed = (error: unknown) => {
      this.errors.send(connection, error, { hook: 'onMessage', id: idOf(this.parser.parse(message)) });
    };
    try {
      const result = this.hook!(connection, message);
      return isDeferred(result) ? Promise.resolve(result).catch(failed) : undefined;
    } catch (error) {
      failed(error);
    }
  }

  private control(connection: Connection, envelope: EnvelopeIn): void {
    const id = cancelledBy(envelope);
    if (id !== undefined) return this.requests.cancel(connection, id);
    const isCancel = envelope.event === CANCEL_EVENT;
    const error = isCancel ? new MessageError('bad_envelope', BAD_CANCEL) : this.unknown(connection, envelope.event);
    this.reject(connection, error, envelope.id);
  }

  private reject(connection: Connection, error: MessageError, id: RequestId): void {
    this.errors.send(connection, error, { id });
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

  private open(connection: Connection, { event, data, id }: EnvelopeIn, bytes: number): Request {
    return new Request(connection, event, data, id, bytes, this.errors, this.requests);
  }

  private handle(methods: readonly MessageMethod[], request: Request): Awaitable<void> {
    const { connection, id } = request;
    if (this.handled.isRepeated(request)) return;
    if (id !== undefined && !this.requests.begin(request)) {
      return this.reject(connection, new MessageError('id_in_use', IN_USE), id);
    }
    if (request.isCancelled) return request.finish();
    return methods.length === 1 ? this.call(methods[0]!, request) : this.callAll(methods, request);
  }

  private async callAll(methods: readonly MessageMethod[], request: Request): Promise<void> {
    request.expect(methods.length);
    for (const method of methods) await this.call(method, request);
  }

  private call(method: MessageMethod, request: Request): Awaitable<void> {
    try {
      const result = method.call(request);
      return isDeferred(result) ? this.replyLater(method, request, result) : request.reply(result);
    } catch (error) {
      request.fail(error);
    }
  }

  private async replyLater(method: MessageMethod, request: Request, deferred: unknown): Promise<void> {
    try {
      const value = await deferred;
      const items = asObservable(value);
      if (!items) request.reply(value);
      else if (request.isCancelled) request.finish();
      else if (method.isStream) this.streams.run(request, items);
      else {
        await this.streams.drain(request, items);
        request.finish();
      }
    } catch (error) {
      request.fail(error);
    }
  }
}

const IN_USE = 'Another request with this id has no end yet: give each request an id of its own';

function isReserved({ event }: EnvelopeIn): boolean {
  return typeof event === 'string' && event.startsWith(RESERVED_PREFIX);
}
