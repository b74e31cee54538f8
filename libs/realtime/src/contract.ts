/**
 * The types of a contract: one interface that the gateways and `nestjs-realtime-client` share. Nothing of this file exists
 * at run time, and an application without a contract does not notice it.
 */
import type { PushOptions } from './frame.js';

/**
 * What an application and its clients say to each other.
 *
 * @example
 *   interface Chat {
 *     server: { message: { from: string; text: string } };
 *     client: { say: { text: string }; history: { in: { n: number }; out: Line[] } };
 *     data: { name: string };
 *   }
 */
export interface Contract {
  /** Events from the server, and the type of their data. */
  readonly server: object;
  /** Events and requests from the client. */
  readonly client: object;
  /** The type of `connection.data`; default: any. */
  readonly data?: unknown;
}

/** Whether nothing is known of a type. Published types use it, so it is not marked as internal. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** The type of `connection.data`: that of a contract, or the type parameter itself. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `socket.data` elsewhere: the application types it
export type DataOf<T> = IsAny<T> extends true ? any : T extends Contract ? (T extends { data: infer D } ? D : any) : T;

/** The events that may be emitted: those of a contract, or any. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
export type EventsOf<T> = IsAny<T> extends true ? Record<string, any> : T extends Contract ? T['server'] : AnyEvents;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- without a contract nothing is known
type AnyEvents = Record<string, any>;

/** The name of an event that may be emitted. */
export type EventOf<T> = Extract<keyof EventsOf<T>, string>;

/** What follows the name: the data, optional where it may be undefined, and the options. */
export type EmitArgs<T, E, Options = PushOptions> = E extends keyof EventsOf<T> ? Args<EventsOf<T>[E], Options> : never;
type Args<D, Options> =
  IsAny<D> extends true
    ? [data?: unknown, options?: Options]
    : undefined extends D
      ? [data?: D, options?: Options]
      : [data: D, options?: Options];
