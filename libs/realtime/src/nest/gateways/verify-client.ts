import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../../errors.js';
import type { Protocols } from '../../gateway.js';
import type { HandshakeRequest } from '../../handshake-request.js';
import type { HandleProtocols, VerifyClient, VerifyClientInfo } from '../found-gateway.js';

/**
 * Asks the `verifyClient` of a gateway as `ws` does: a gateway written for WsAdapter must not admit clients here that it
 * refuses there.
 *
 * @throws HandshakeError with the status that `verifyClient` names, by default 401
 */
export async function askVerifyClient(verify: VerifyClient, request: HandshakeRequest): Promise<void> {
  const req = nodeRequest(request.raw);
  const info: VerifyClientInfo = { origin: req.headers.origin as string, secure: 'encrypted' in req.socket, req };
  if (verify.length < 2) {
    if (!verify(info)) throw new HandshakeError(401, 'Unauthorized');
    return;
  }
  await new Promise<void>((resolve, reject) => {
    verify(info, (isAdmitted, status = 401, message = '', headers = {}) => {
      if (isAdmitted) resolve();
      else reject(new HandshakeError(status, message, headers));
    });
  });
}

/** The `handleProtocols` of a gateway, as the choice that this module makes. It never sees a credential. */
export function asProtocols(handle: HandleProtocols): Protocols {
  return (offered, request) => handle(new Set(offered), nodeRequest(request.raw));
}

/** Node's own request, which gateways written for WsAdapter expect. Express's request is one; Fastify's holds it. */
export function nodeRequest(raw: object): IncomingMessage {
  return 'raw' in raw ? (raw.raw as IncomingMessage) : (raw as IncomingMessage);
}
