/**
 * Road IN, step 1: requests for connections of this node that another node has received. That node has run middleware,
 * the origin check, guards and the bounds of the body; this one checks whose connection it is.
 */
import { CloseCode } from 'nestjs-realtime-protocol';
import { refusal, rejection } from '../../http/refusals.js';
import { HandshakeError } from '../../errors.js';
import { matchesClaim, matchesSession } from '../../handshake/claims.js';
import type { Sessions } from '../../handshake/sessions.js';
import type { Claim, ForwardedRequest, Outcome, RelayedRequest, RelayOwner, SealedAnswer } from '../../relay.js';
import { gone, wireGone } from './request-socket.js';
import { sealOf } from './seal.js';
import { takeMessages } from './take-messages.js';
import type { HeldConnection, Tokens } from './tokens.js';
import { WatchedAnswer } from './watched-answer.js';

const TAKEN: Outcome = { status: 204 };

export class OwnedRequests implements RelayOwner {
  constructor(
    private readonly tokens: Pick<Tokens, 'findDigest'>,
    private readonly sessions: Pick<Sessions, 'findDigest'>,
    /** Numbers a request, as those of this node's own clients. */
    private readonly arrival: () => number,
    /** Reports a fault that is nobody's mistake. */
    private readonly failed: (error: unknown) => void,
  ) {}

  take(request: ForwardedRequest): Outcome {
    return this.outcome(() => {
      const held = this.find(request, request.path);
      if (!held || held.socket.isGone) throw gone();
      if (request.method === 'DELETE') held.socket.leave(CloseCode.NORMAL, '');
      else takeMessages(held, request.messages, request);
      return TAKEN;
    })!;
  }

  open(request: RelayedRequest, answer: SealedAnswer): Outcome | undefined {
    return this.outcome(() => {
      const held = this.find(request, request.path);
      if (!held) throw this.sessions.findDigest(request.tokenDigest) ? wireGone() : gone();
      const { socket, token, id, transport } = held;
      if (transport.name !== request.transport)
        throw rejection(400, `This connection uses the transport ${transport.name}`);
      answer.sealWith(sealOf(token, request.salt));
      socket.isOvertaken(this.arrival());
      if (socket.open(watched(answer), id, request.position)) return undefined;
      if (!socket.isGone) socket.terminate();
      throw gone();
    });
  }

  superseded(claim: Claim): void {
    this.outcome(() => {
      const session = this.sessions.findDigest(claim.tokenDigest);
      if (session) {
        if (!session.end && matchesSession(session.owner, session.token, claim)) session.terminate();
        return TAKEN;
      }
      const held = this.find(claim);
      if (held && !held.socket.isGone) held.socket.terminate();
      return TAKEN;
    });
  }

  /** @throws HandshakeError 403 for the token of another user's connection */
  private find(claim: Claim, path?: string): HeldConnection | undefined {
    const held = this.tokens.findDigest(claim.tokenDigest, path);
    if (held && !matchesClaim(held.owner, held.token, claim))
      throw refusal(403, 'This connection belongs to another user');
    return held;
  }

  private outcome<T extends Outcome | undefined>(act: () => T): T | Outcome {
    try {
      return act();
    } catch (error) {
      if (error instanceof HandshakeError) return outcomeOf(error);
      this.failed(error);
      return { status: 500, message: 'Internal server error' };
    }
  }
}

/** The answer is cut by telling the node that serves it. */
function watched(answer: SealedAnswer): WatchedAnswer {
  return new WatchedAnswer({
    answer,
    incoming: { socket: { destroyed: answer.isClosed, destroy: () => answer.cut() } },
  });
}

function outcomeOf({ status, message, headers }: HandshakeError): Outcome {
  const retryAfter = headers['Retry-After'];
  return { status, message, ...(retryAfter !== undefined && { retryAfter: Number(retryAfter) }) };
}
