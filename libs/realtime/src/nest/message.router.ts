import { asEnvelope, EXCEPTION_EVENT } from 'nestjs-realtime-protocol';
import { from, isObservable, type Observable, tap } from 'rxjs';
import type { Connection } from '../connection.js';
import { MessageError } from '../errors.js';
import type { Awaitable } from '../hooks.js';
import type { Message } from '../message.js';
import { type Cause, exceptionFrame } from './exception-frame.js';
import type { MessageRoute } from './message.routes.js';

type OnMessage = (connection: Connection, message: Message) => Awaitable<void>;

/** Reads a message as an envelope; undefined when it is none. The adapter's message parser. */
export type ParseMessage = (message: Message) => unknown;

/** The id of a request, if the client gave one: replies and errors carry it. */
type RequestId = string | number | undefined;

/** What is told of an error that was no client's fault. */
export type Report = (connection: Connection, event: string, error: unknown) => void;

/**
 * Road IN, step 5: an envelope with a known event goes to its method, anything else to `onMessage`, and where there is
 * none the client is told what was wrong.
 */
export class MessageRouter {
  constructor(
    private readonly routes: ReadonlyMap<string, MessageRoute>,
    private readonly onMessage: OnMessage | undefined,
    private readonly parse: ParseMessage,
    private readonly report: Report,
  ) {}

  receive(connection: Connection, message: Message): Awaitable<void> {
    const envelope = asEnvelope(this.parse(message));
    const route = envelope && this.routes.get(envelope.event);
    if (envelope && route) return this.call(route, connection, envelope.event, envelope.data, requestId(envelope.id));
    if (this.onMessage) return this.onMessage(connection, message);
    if (!envelope) throw new MessageError('bad_envelope', 'Expected JSON of the form { "event": "name", "data": … }');
    const { event, id } = envelope;
    const error = new MessageError('unknown_event', `There is no event ${JSON.stringify(event.slice(0, 100))} here`);
    this.send(connection, { event: EXCEPTION_EVENT, data: error.data }, requestId(id));
  }

  private call(
    route: MessageRoute,
    connection: Connection,
    event: string,
    data: unknown,
    id: RequestId,
  ): Awaitable<void> {
    const failed = (error: unknown) => this.fail(connection, error, { pattern: event, data }, id);
    try {
      const result = route.call(connection, data, event);
      if (!isDeferred(result)) return this.reply(connection, event, result, id);
      const done = this.settle(result, route, connection, event, id, failed);
      return done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  private async settle(
    result: unknown,
    route: MessageRoute,
    connection: Connection,
    event: string,
    id: RequestId,
    failed: (error: unknown) => void,
  ): Promise<void> {
    const value = await result;
    const stream = asObservable(value);
    if (!stream) {
      this.reply(connection, event, value, id);
      return;
    }
    const replies = stream.pipe(tap((item) => this.reply(connection, event, item, id)));
    const ended = untilClosed(replies, connection);
    if (route.isStream) void ended.catch(failed);
    else await ended;
  }

  /** Nothing is sent for nothing; a reply after the end is dropped. */
  private reply(connection: Connection, event: string, value: unknown, id: RequestId): void {
    if (value === undefined || value === null) return;
    const isObject = typeof value === 'object' && !Array.isArray(value);
    this.send(connection, isObject || id === undefined ? value : { event, data: value }, id);
  }

  private fail(connection: Connection, error: unknown, cause: Cause, id: RequestId): void {
    this.report(connection, cause.pattern, error);
    this.send(connection, { event: EXCEPTION_EVENT, data: exceptionFrame(error, cause) }, id);
  }

  private send(connection: Connection, value: unknown, id: RequestId): void {
    connection.send(JSON.stringify(id === undefined ? value : { ...(value as object), id }));
  }
}

function requestId(id: unknown): RequestId {
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

function isDeferred(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'then' in value || isObservable(value) || Symbol.asyncIterator in value;
}

function asObservable(value: unknown): Observable<unknown> | undefined {
  if (isObservable(value)) return value;
  const isIterable = typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
  return isIterable ? from(value as AsyncIterable<unknown>) : undefined;
}

/** Subscribes until the Observable ends or the connection does; the rest of it is then not wanted. */
function untilClosed(source: Observable<unknown>, connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    if (connection.signal.aborted) return resolve();
    const end = () => {
      subscription.unsubscribe();
      resolve();
    };
    const forget = () => connection.signal.removeEventListener('abort', end);
    connection.signal.addEventListener('abort', end, { once: true });
    const subscription = source.subscribe({
      error: (error: unknown) => {
        forget();
        reject(error as Error);
      },
      complete: () => {
        forget();
        resolve();
      },
    });
  });
}
