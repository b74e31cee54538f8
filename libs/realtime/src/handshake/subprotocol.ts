/** Road IN, step 2: which of the subprotocols that a client offers is agreed (RFC 6455 §4.2.2). */
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import { BEARER } from '../http/bearer-token.js';

/**
 * @returns the protocol for the 101; an empty string agrees to none. A gateway that lists none agrees to none, and a
 *   credential is never agreed to
 * @throws RangeError when the gateway's function chose what the client did not offer: it would cut the connection
 */
export function agreedProtocol({ name, protocols = [] }: Gateway, request: HandshakeRequest): string {
  const isNone = typeof protocols !== 'function' && protocols.length === 0;
  if (isNone || request.transport !== 'websocket') return '';
  const offered = request.protocols.filter((each) => !each.startsWith(BEARER));
  if (offered.length === 0) return '';
  if (typeof protocols !== 'function') return offered.find((each) => protocols.includes(each)) ?? '';
  const chosen = protocols(offered, request);
  if (!chosen) return '';
  if (offered.includes(chosen)) return chosen;
  throw new RangeError(
    `The function protocols of ${name} returned ${String(chosen)}: return one of the names that it was given, or undefined`,
  );
}
