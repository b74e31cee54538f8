/** The `{ event, data }` envelope that clients of Nest's WsAdapter already speak; `id` ties a reply to its request. */
export interface Envelope<T = unknown> {
  readonly event: string;
  readonly data?: T;
  readonly id?: string | number;
}

/** The `data` of an error frame: an envelope with the event `exception`, sent to a client whose message failed. */
export interface ExceptionData {
  readonly status: 'error';
  readonly message: unknown;
  readonly code?: string;
  readonly [key: string]: unknown;
}

/** The event name of an error frame, the same as that of Nest's `BaseWsExceptionFilter`. */
export const EXCEPTION_EVENT = 'exception';

/** How the names of this module's own events begin; a client cannot call a method of the application by such a name. */
export const RESERVED_PREFIX = 'rt:';

/** The event that ends a request without a reply: its method returned nothing, or its stream has ended. */
export const DONE_EVENT = 'rt:done';

/** The event with which a client is told that its credential expires: `{ "event": "rt:expires", "data": { "inMs": 30000 } }`. */
export const EXPIRES_EVENT = 'rt:expires';

/** The event with which a client ends a stream of replies: `{ "event": "rt:cancel", "id": 7 }`. */
export const CANCEL_EVENT = 'rt:cancel';

/** The first event that a client library gets on a wire: `{ "event": "rt:open", "data": … }`. */
export const OPEN_EVENT = 'rt:open';

/** The event by which both sides say how many counted messages they have: `{ "event": "rt:ack", "data": { "n": 118 } }`. */
export const ACK_EVENT = 'rt:ack';

/** The event by which a client library looks whether the server is there; it is answered with `rt:pong`. */
export const PING_EVENT = 'rt:ping';

/** The answer to `rt:ping`. */
export const PONG_EVENT = 'rt:pong';

/** The `data` of `rt:open`. */
export interface OpenData {
  /** The connection's public id. */
  readonly id: string;
  /** The secret by which the client may resume the session. */
  readonly session: string;
  /** True when the connection goes on: nothing was lost in either direction. */
  readonly resumed: boolean;
  /** How many counted messages of the client the server has: the client sends what comes after them. */
  readonly seen: number;
  /** How often the server pings, in milliseconds; 0 when it does not. */
  readonly ping: number;
  /** How long a message of the client may be, in bytes. */
  readonly maxBytes: number;
}

/** The `data` of `rt:done`. */
export interface DoneData {
  /** How many replies to this request were not sent, because the client was too slow or the reply was too long. */
  readonly dropped: number;
}

/** Longest id of a request, in characters. */
const MAX_ID = 256;

/** The beginnings of envelopes by event, of which most applications have few: a third of encoding a short envelope. */
const prefixes = new Map<string, string>();
const MAX_PREFIXES = 1024;
const MAX_PREFIX = 256;

/**
 * Encodes one envelope as the text of a message.
 *
 * @param event the event's name
 * @param data anything that JSON can hold; `undefined` leaves the field out
 * @param id the id of the request that is answered, if it had one
 * @returns the JSON text
 * @throws TypeError when `data` holds a cycle or a BigInt, as `JSON.stringify` does
 * @example socket.send(encodeEnvelope('chat', { text: 'hello' }));
 */
export function encodeEnvelope(event: string, data: unknown, id?: string | number): string {
  // A toJSON() is called with the name of the field
  const isPlain = typeof event === 'string' && !hasOwnJson(data);
  const text = isPlain ? (JSON.stringify(data) as string | undefined) : undefined;
  if (text === undefined) return JSON.stringify({ event, data, id });
  const start = (prefixes.get(event) ?? prefixOf(event)) + text;
  return id === undefined ? `${start}}` : `${start},"id":${JSON.stringify(id)}}`;
}

function hasOwnJson(data: unknown): boolean {
  const canHave = (typeof data === 'object' && data !== null) || typeof data === 'bigint';
  return canHave && typeof (data as { toJSON?: unknown }).toJSON === 'function';
}

function prefixOf(event: string): string {
  const prefix = `{"event":${JSON.stringify(event)},"data":`;
  if (prefix.length > MAX_PREFIX) return prefix;
  if (prefixes.size === MAX_PREFIXES) prefixes.clear();
  prefixes.set(event, prefix);
  return prefix;
}

/**
 * Reads a parsed message as an envelope.
 *
 * @param value the result of `JSON.parse`
 * @returns the envelope, or undefined when the value is not an object with a string `event`
 */
export function asEnvelope(value: unknown): Envelope | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return typeof (value as { event?: unknown }).event === 'string' ? (value as Envelope) : undefined;
}

/**
 * Returns whether a value can be the id of a request: a finite number, or a string of at most 256 characters. A message
 * with any other id is handled as one without.
 *
 * @param value the `id` of a parsed message
 * @example isRequestId(7); // true
 */
export function isRequestId(value: unknown): value is string | number {
  return typeof value === 'string' ? value.length <= MAX_ID : Number.isFinite(value);
}
