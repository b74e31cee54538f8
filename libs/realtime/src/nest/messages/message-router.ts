import type { Connection } from '../../connection.js';
import { MessageError } from '../../errors.js';
import type { Awaitable } from '../../hooks.js';
import type { Message } from '../../message.js';
import type { MessageFaults, RequestId } from './error-replies.js';
import type { MessageRoute } from './message-methods.js';
import { asObservable, isDeferred } from '../replies.js';
import { type StreamHost, Streams } from './streams.js';

type OnMessage = (connection: Connection, message: Message) => Awaitable<void>;

/** Reads a message; undefined when it cannot be read, UNANSWERED when the application's parser wants it unanswered. */
export type ParseMessage = (message: Message) => unknown;

/** The application's own message parser gave nothing for it: it is to be ignored. */
export const UNANSWERED = Symbol('unanswered');

/** Longest id that is repeated, in characters. */
const MAX_ID = 256;

const BAD_ENVELOPE = 'Expected JSON of the form { "event": "name", "data": … }';

/** An envelope that came in. Events may be numbers, as in `@SubscribeMessage(Opcode.Join)`. */
interface Request {
  readonly connection: Connection;
  readonly event: string | number;
  readonly data: unknown;
  readonly id: RequestId;
  readonly bytes: number;
}

/**
 * Road IN, step 5: an envelope with a known event goes to its method, anything else to `onMessage`, and where there is
 * none the client is told what was wrong. Methods of several gateways on one path may share an event: all are called.
 */
export class MessageRouter {
  private readonly streams: Streams;

  constructor(
    private readonly routes: ReadonlyMap<unknown, readonly MessageRoute[]>,
    private readonly onMessage: OnMessage | undefined,
    private readonly parse: ParseMessage,
    private readonly faults: MessageFaults,
    private readonly host: StreamHost,
  ) {
    this.streams = new Streams(host);
  }

  receive(connection: Connection, message: Message): Awaitable<void> {
    if (this.routes.size === 0 && this.onMessage) return this.hook(connection, message);
    const value = this.parse(message);
    const request = asRequest(connection, value, message.size);
    const routes = request && this.routes.get(request.event);
    if (request && routes) return routes.length === 1 ? this.call(routes[0]!, request) : this.callAll(routes, request);
    if (this.onMessage) return this.hook(connection, message);
    if (value !== UNANSWERED) this.refuse(connection, request);
  }

  /** A hook that is synchronous stays so. */
  private hook(connection: Connection, message: Message): Awaitable<void> {
    const failed = (error: unknown) => this.faults.tell(connection, error, { hook: 'onMessage' });
    try {
      const result = this.onMessage!(connection, message);
      return isDeferred(result) ? Promise.resolve(result).catch(failed) : undefined;
    } catch (error) {
      failed(error);
    }
  }

  private refuse(connection: Connection, request: Request | undefined): void {
    this.faults.tell(connection, this.refusalOf(connection, request?.event), { id: request?.id });
  }

  /** A name that no method has; only such a one can be too long. */
  private refusalOf({ id }: Connection, event: string | number | undefined): MessageError {
    if (typeof event !== 'string') return new MessageError('bad_envelope', BAD_ENVELOPE);
    const { settings, limits } = this.host;
    const isTooLong = event.length > settings.maxNameLength;
    if (isTooLong && limits.reached('nameLength', `name=event characters=${event.length} id=${id}`)) {
      return new MessageError('bad_name', `The name of an event has at most ${settings.maxNameLength} characters`);
    }
    return new MessageError('unknown_event', `There is no event ${JSON.stringify(event.slice(0, 100))} here`);
  }

  private async callAll(routes: readonly MessageRoute[], request: Request): Promise<void> {
    for (const route of routes) await this.call(route, request);
  }

  private call(route: MessageRoute, request: Request): Awaitable<void> {
    try {
      const result = route.call(request.connection, request.data, request.event);
      return isDeferred(result) ? this.settle(route, request, result) : this.reply(request, result);
    } catch (error) {
      this.fail(request, error);
    }
  }

  private async settle(route: MessageRoute, request: Request, deferred: unknown): Promise<void> {
    try {
      const value = await deferred;
      const items = asObservable(value);
      const reply = (item: unknown) => this.reply(request, item);
      if (!items) reply(value);
      else if (route.isStream) {
        this.streams.run(request.connection, items, reply, (error) => this.fail(request, error));
      } else {
        await this.streams.drain(request.connection, items, reply);
      }
    } catch (error) {
      this.fail(request, error);
    }
  }

  /** Nothing is sent for nothing; a reply after the end is dropped. With an id the reply is always an envelope. */
  private reply({ connection, event, id }: Request, value: unknown): void {
    if (value === undefined || value === null || connection.readyState !== 1) return;
    if (id === undefined) connection.send(JSON.stringify(value));
    else connection.send(JSON.stringify({ ...(isEnvelope(value) ? value : { event, data: value }), id }));
  }

  private fail({ connection, event, data, id, bytes }: Request, error: unknown): void {
    this.faults.tell(connection, error, { cause: { pattern: event, data }, id, bytes });
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
