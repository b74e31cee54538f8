import type { IncomingMessage } from 'node:http';
import { HandshakeError } from '../../errors.js';
import type { HandshakeRequest } from '../../handshake-request.js';
import type { VerifyClient, VerifyClientInfo } from '../found-gateway.js';

/**
 * Asks a gateway's `verifyClient` as `ws` does: a gateway that was written for WsAdapter must not let in whom it
 * refused there.
 *
 * @throws HandshakeError with the status it names; 401 when it names none
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

/** Node's own request, which gateways for WsAdapter expect; Fastify's stands beside it. */
export function nodeRequest(raw: object): IncomingMessage {
  return 'raw' in raw ? (raw.raw as IncomingMessage) : (raw as IncomingMessage);
}
