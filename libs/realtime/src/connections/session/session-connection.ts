/** The two ends of a session: the connection above, and the facts by which its client finds it again. */
import type { CloseInitiator } from '../../close-info.js';
import type { Admission } from '../../handshake/admission.js';
import type { Session } from '../../handshake/sessions.js';
import type { Sink } from '../../transport.js';

/** The code with which a client leaves its wire and means to come back, as a page does that goes into the browser's cache. */
export const WIRE_LEFT = 3100;

/** The connection above. */
export interface SessionConnection extends Sink {
  /** The wire is lost, and the grace time has begun. */
  detached(why: CloseInitiator): void;
  /** Another wire goes on, after so many milliseconds without one. */
  resumed(admission: Admission, transport: string, absentMs: number): void;
}

/** The facts of a session. */
export interface SessionFacts extends Pick<Session, 'token' | 'id' | 'owner'> {
  /** The agreed subprotocol. */
  readonly protocol: string;
  /** The number of the request that began it. */
  readonly arrival: number;
}
