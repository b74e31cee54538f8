/** The types of one contract: what server and client say to each other. Nothing of this file exists at run time. */

/**
 * What an application and its clients say to each other: one interface, shared by both sides. Nothing is generated.
 *
 * @example
 *   interface Chat {
 *     server: { message: { from: string; text: string } };          // events from the server
 *     client: {
 *       say: { text: string };                                      // an event from the client
 *       history: { in: { n: number }; out: Line[] };                // a request with its answer
 *       prices: { in: { of: string }; items: Price };               // a request that is answered with a stream
 *     };
 *     presence: { isTyping: boolean };                              // the state of a user who is present in a room
 *   }
 */
export interface Contract {
  /** Events from the server, and the type of their data. */
  readonly server: object;
  /** Events and requests from the client. */
  readonly client: object;
  /** The state of a present user. */
  readonly presence?: unknown;
}

/** The contract of a connection that has none: every event is allowed, and its data is not checked. */
export interface AnyContract {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
  readonly server: Record<string, any>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
  readonly client: Record<string, any>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
  readonly presence: any;
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type Shape<T> = IsAny<T> extends true ? 'any' : T extends { in: unknown; out: unknown } ? 'request' : Streaming<T>;
type Streaming<T> = T extends { in: unknown; items: unknown } ? 'stream' : 'event';
type Named<T, Shapes> = { [K in keyof T as Shape<T[K]> extends Shapes ? Extract<K, string> : never]: T[K] };
type Input<T> = IsAny<T> extends true ? T : T extends { in: infer I } ? I : T;
type Args<T> = IsAny<T> extends true ? [data?: T] : undefined extends T ? [data?: T] : [data: T];

/** The `data` of an error: the server could not handle a message. */
export interface ExceptionData {
  readonly status: 'error';
  readonly message: unknown;
  /** The stable code of the error, for example `unknown_event` (docs/errors.md). */
  readonly code?: string;
  readonly [key: string]: unknown;
}

/** Events that the server itself sends, beside those of a contract. */
export interface OwnEvents {
  /** A message without an id could not be handled. */
  readonly exception: ExceptionData;
  /** This client was too slow, and so many messages for it were dropped. */
  readonly dropped: { readonly count: number };
}

/** The events that a client can listen to. */
export type ServerEvents<C extends Contract> = C['server'] & Omit<OwnEvents, keyof C['server']>;
/** The names of the events that a client can listen to. */
export type ServerEvent<C extends Contract> = Extract<keyof ServerEvents<C>, string>;
/** The names of the events that a client can emit. */
export type ClientEvent<C extends Contract> = keyof Named<C['client'], 'any' | 'event'>;
/** The names that a client can request: requests, and events, whose answer says that they were handled. */
export type RequestName<C extends Contract> = keyof Named<C['client'], 'any' | 'event' | 'request'>;
/** The names whose answer is a stream. */
export type StreamName<C extends Contract> = keyof Named<C['client'], 'any' | 'stream'>;

type Of<C extends Contract, N> = N extends keyof C['client'] ? C['client'][N] : never;

/** The data to send: optional where the contract allows `undefined`. */
export type InputArgs<C extends Contract, N> = Args<Input<Of<C, N>>>;
/** The answer to a request; `undefined` for an event, whose method may return nothing. */
export type Answer<C extends Contract, N> = Output<Of<C, N>>;
type Output<T> = IsAny<T> extends true ? T : T extends { in: unknown; out: infer O } ? O : unknown;
/** An item of a stream. */
export type StreamItem<C extends Contract, N> = Item<Of<C, N>>;
type Item<T> = IsAny<T> extends true ? T : T extends { items: infer I } ? I : never;
