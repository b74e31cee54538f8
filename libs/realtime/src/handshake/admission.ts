/** The result of a handshake, and the function that opens an admitted request on its wire. */
import type { AsyncResource } from 'node:async_hooks';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { Sink, Socket } from '../transport.js';
import type { Place } from './places.js';
import type { OpenSession } from './session.js';

/** What the checks found about a request that they let through; it has no place yet. */
export interface Verdict {
  readonly gateway: Gateway;
  readonly request: HandshakeRequest;
  readonly identity: Identity;
  /** The agreed subprotocol; an empty string when there is none. */
  readonly protocol: string;
  /** The async context (AsyncLocalStorage) in which it was admitted; `onOpen` runs in it. */
  readonly scope: AsyncResource;
  /** The HTTP session as middleware left it; what hooks change in it is saved. */
  readonly session?: OpenSession;
}

/** An admitted request: either it becomes the connection with this id, or its place MUST be released. */
export interface Admission extends Verdict {
  /** The connection's id. */
  readonly id: string;
  readonly place: Place;
}

/**
 * Opens an admitted request on its wire; the engine implements it (road IN, step 3).
 *
 * @param transport the name of the wire's transport
 * @returns the sink to which the wire reports from now on
 */
export type Open = (admission: Admission, socket: Socket, transport: string) => Sink;
