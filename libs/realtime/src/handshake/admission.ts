/** What a request is admitted with, and how the wire of an admitted request is opened. */
import type { AsyncResource } from 'node:async_hooks';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { Sink, Socket } from '../transport.js';
import type { Place } from './places.js';
import type { OpenSession } from './session.js';

/** What was decided about a request; it takes no place yet. */
export interface Verdict {
  readonly gateway: Gateway;
  readonly request: HandshakeRequest;
  readonly identity: Identity;
  /** The async context (AsyncLocalStorage) in which it was admitted; `onOpen` runs in it. */
  readonly scope: AsyncResource;
  /** The HTTP session as middleware left it; what hooks write to it is saved. */
  readonly session?: OpenSession;
}

/** An admitted request: it becomes the connection of this id, or its place MUST be released. */
export interface Admission extends Verdict {
  /** The connection's id. */
  readonly id: string;
  readonly place: Place;
}

/**
 * Opens an admitted request on its wire. The engine's: road IN, step 3.
 *
 * @param transport the name of the wire's transport
 * @returns what the wire reports to from now on
 */
export type Open = (admission: Admission, socket: Socket, transport: string) => Sink;
