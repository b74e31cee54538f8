/** The result of a handshake, and the function that opens an admitted request on its wire. */
import type { AsyncResource } from 'node:async_hooks';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { Sink, Socket } from '../transport.js';
import type { Place } from './places.js';
import type { OpenSession } from './session.js';
import type { Session } from './sessions.js';

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

/** Which session a client library gets. */
export interface Ticket {
  /** The secret of the session. */
  readonly token: string;
  /** The number of the request: of two requests, the later one has the greater number. */
  readonly arrival: number;
  /** How many messages of the session the client has. */
  readonly seen: number;
  /** The session that goes on; undefined for a new one. */
  readonly resumes?: Session;
  /** A session of the same client that cannot go on here: it ends when the new one begins. */
  readonly supersedes?: Pick<Session, 'terminate'>;
}

/** An admitted request: either it becomes the connection with this id, or its place MUST be released. */
export interface Admission extends Verdict {
  /** The connection's id. */
  readonly id: string;
  readonly place: Place;
  /** Undefined for a bare client. */
  readonly ticket?: Ticket;
}

/** An admitted client that has not identified itself yet. */
export interface Guest {
  /** Closes the wire. */
  goAway(reason: string, code: number): void;
}

/**
 * Opens an admitted request on its wire; the engine implements it (road IN, step 3).
 *
 * @param transport the name of the wire's transport
 * @returns the sink to which the wire reports from now on; undefined when a newer wire has gone on with the session: this
 *   one MUST then be cut
 */
export type Open = (admission: Admission, socket: Socket, transport: string) => Sink | undefined;
