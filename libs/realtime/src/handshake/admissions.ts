/**
 * Road IN, step 2: what a request is admitted to. It takes a place and becomes a connection, or it goes on with the
 * connection of its client, which has a place already.
 */
import { helloOf } from '../http/hello.js';
import type { Identity } from '../hooks.js';
import type { Node } from '../node/node.js';
import type { AdmissionLimits } from './admission-limits.js';
import type { Admission, Verdict } from './admission.js';
import type { Attempt, Handshake } from './handshake.js';
import type { Sessions } from './sessions.js';

export class Admissions {
  constructor(
    private readonly node: Pick<Node, 'nextConnectionId'>,
    private readonly limits: AdmissionLimits,
    private readonly handshake: Pick<Handshake, 'accept'>,
    private readonly sessions: Sessions,
  ) {}

  /**
   * Looks for the session of a client, which needs no other place, and checks the limits of the node.
   *
   * @param underWay handshakes in progress, not counting this one
   * @throws HandshakeError 503 when the node is full or busy; 400 for a hello that is not valid
   */
  enter(attempt: Attempt, underWay: number): void {
    const { incoming, route, transport } = attempt;
    const hello = helloOf(incoming.headers, transport);
    // With onAuthenticate nobody knows yet whose client it is
    if (!route.gateway.onAuthenticate) attempt.session = this.sessions.find(hello);
    if (!attempt.session) this.limits.requireRoom(underWay);
    this.limits.requireCapacity(underWay);
  }

  /**
   * Admits a request that has passed all checks.
   *
   * @param underWay handshakes in progress
   * @throws HandshakeError when there is no place left
   */
  hold(verdict: Verdict, attempt: Attempt, underWay: number): Admission {
    const { gateway, request, identity, protocol, scope, session } = verdict;
    // With onAuthenticate nobody knows yet whose client it is
    const ticket = this.sessions.ticket(request, gateway.onAuthenticate ? undefined : identity, attempt.arrival);
    const place = ticket?.resumes ? this.limits.places.none() : this.place(verdict, attempt, underWay);
    const id = ticket?.resumes?.id ?? this.node.nextConnectionId();
    // Listed, because a spread costs ten times as much
    return { gateway, request, identity, protocol, scope, session, id, place, ticket };
  }

  /**
   * Accepts the identity that `onAuthenticate` returned for an admitted client: what it leaves out is as `onHandshake`
   * returned it. A client that goes on with its connection gives its place back.
   *
   * @throws HandshakeError when the identity is not acceptable
   */
  identified(answer: Identity | void, admission: Admission): Admission {
    const { request, identity: earlier, ticket, place } = admission;
    const identity = this.handshake.accept(answer, request, this.sessions.find(request.hello), earlier);
    const found = ticket && this.sessions.ticket(request, identity, ticket.arrival);
    // The client of a new session may know its token already
    if (!found?.resumes) return { ...admission, identity, ticket: found && { ...found, token: ticket!.token } };
    place.release();
    return { ...admission, identity, id: found.resumes.id, ticket: found };
  }

  private place({ gateway, request, identity }: Verdict, { session }: Attempt, underWay: number) {
    // It was let through for the sake of a session that is not its own
    if (session) this.limits.requireRoom(underWay);
    // With onAuthenticate, the place counts for the user once the first message has identified them
    return this.limits.takePlace(request.incoming, request.address, gateway.onAuthenticate ? {} : identity);
  }
}
