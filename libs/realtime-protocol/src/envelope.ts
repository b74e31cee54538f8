/** The `{ event, data }` envelope that clients of Nest's WsAdapter already speak; `id` ties a reply to its request. */
export interface Envelope<T = unknown> {
  readonly event: string;
  readonly data?: T;
  readonly id?: string | number;
}

/** What the server tells a client whose message failed, in an envelope with the event `exception`. */
export interface ExceptionData {
  readonly status: 'error';
  readonly message: unknown;
  readonly code?: string;
  readonly [key: string]: unknown;
}

/** The event name of an error frame, as Nest's `BaseWsExceptionFilter` has it. */
export const EXCEPTION_EVENT = 'exception';

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
  return JSON.stringify({ event, data, id });
}

/**
 * Reads a parsed message as an envelope.
 *
 * @param value what `JSON.parse` gave
 * @returns the envelope, or undefined when the value is none: not an object, or without a string `event`
 */
export function asEnvelope(value: unknown): Envelope | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return typeof (value as { event?: unknown }).event === 'string' ? (value as Envelope) : undefined;
}
