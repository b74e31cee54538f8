/** Road IN, step 2: which of the subprotocols that a client offers is agreed (RFC 6455 §4.2.2). */
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import { REALTIME_PROTOCOL } from '../http/hello.js';

/**
 * @returns the protocol for the 101; an empty string agrees to none. `realtime.v1` of a client library is always agreed
 *   to, and a credential or a hello never. A gateway that lists no protocols agrees to no other
 * @throws RangeError when the gateway's function chose what the client did not offer: it would cut the connection
 */
export function agreedProtocol({ name, protocols = [] }: Gateway, request: HandshakeRequest): string {
  if (request.transport !== 'websocket') return '';
  if (request.hello) return REALTIME_PROTOCOL;
  const isNone = typeof protocols !== 'function' && protocols.length === 0;
  const offered = isNone ? [] : request.protocols;
  if (offered.length === 0) return '';
  if (typeof protocols !== 'function') return offered.find((each) => protocols.includes(each)) ?? '';
  const chosen = protocols(offered, request);
  if (!chosen) return '';
  if (offered.includes(chosen)) return chosen;
  throw new RangeError(
    `The function protocols of ${name} returned ${String(chosen)}: return one of the names that it was given, or undefined`,
  );
}
