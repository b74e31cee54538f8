/**
 * Road IN, step 2: the checks of a request at the gateway's door, after the application's middleware: limits, origin,
 * guards, `onHandshake`. Each check refuses by throwing the HTTP answer.
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { type Awaitable, then } from '../awaitable.js';
import { HandshakeRequest, type Params, userIdOf } from '../handshake-request.js';
import type { Gateway } from '../gateway.js';
import type { Identity } from '../hooks.js';
import type { HttpAnswer } from '../http/exchange.js';
import { type LazyRequest, type PlatformRequest, splitTarget } from '../http/platform-request.js';
import { refusal, unavailable } from '../http/refusals.js';
import { checkDate, checkName, checkReplace } from '../limits/checks.js';
import type { Node } from '../node/node.js';
import type { AdmissionLimits } from './admission-limits.js';
import type { Verdict } from './admission.js';
import { requireOrigin } from './origin.js';
import { isDecodable } from './paths.js';
import type { Route } from './routes.js';
import { OpenSession } from './session.js';
import type { Session } from './sessions.js';
import { agreedProtocol } from './subprotocol.js';

/** A request, its route, and the client's address once it is known. */
export interface Attempt {
  readonly incoming: IncomingMessage;
  readonly route: Route;
  /** The transport that the client asked for. */
  readonly transport: string;
  /** Of two requests, the later one has the greater number. */
  readonly arrival: number;
  address?: string;
  /** The session that its client wants to resume, if it is here and can go on. */
  session?: Session;
  /** True once it is refused; a guard may still be running. */
  isOver?: boolean;
}

export class Handshake {
  constructor(
    private readonly node: Pick<Node, 'settings' | 'limits' | 'prepare'>,
    private readonly limits: AdmissionLimits,
  ) {}

  /**
   * Runs all checks on a request that has come through the middleware. Where no hook waits, nothing else does.
   *
   * @throws HandshakeError with the HTTP answer, or what a guard or `onHandshake` throws; so does the promise
   */
  examine(attempt: Attempt, raw: LazyRequest, responseOf: () => unknown): Awaitable<Verdict> {
    const { incoming, route } = attempt;
    const { gateway } = route;
    const request = this.requestOf(attempt, raw);
    const session = OpenSession.of(request.session);
    if (attempt.address === undefined) {
      attempt.address = request.address;
      this.limits.requireAddress(incoming, request.address, attempt.session !== undefined);
    }
    requireValid(request);
    this.requireOrigin(incoming, () => request.raw);
    const guarded = gateway.guard?.(request, responseOf());
    const identified = then(guarded, () => this.identify(attempt, request));
    return then(identified, (identity) => this.admit(gateway, request, identity, session));
  }

  /** Asks `onHandshake` who the client is. */
  private identify(attempt: Attempt, request: HandshakeRequest): Awaitable<Identity> {
    if (attempt.isOver) throw unavailable('The handshake is over');
    const answer = attempt.route.gateway.onHandshake?.(request);
    return then(answer, (identity) => this.accept(identity, request, attempt.session));
  }

  private admit(
    gateway: Gateway,
    request: HandshakeRequest,
    identity: Identity,
    session: OpenSession | undefined,
  ): Awaitable<Verdict> {
    const protocol = agreedProtocol(gateway, request);
    const subscribed = this.node.prepare(gateway.path, identity);
    return then(subscribed, () => {
      const scope = new AsyncResource('WebSocketHandshake');
      return { gateway, request, identity, protocol, session, scope };
    });
  }

  /**
   * Runs the origin check and the guards on a further request of a connection.
   *
   * @returns the request as the application sees it
   */
  async examineAgain(attempt: Attempt, raw: LazyRequest, response: unknown): Promise<HandshakeRequest> {
    const request = this.requestOf(attempt, raw);
    this.requireOrigin(attempt.incoming, () => raw.get());
    await attempt.route.gateway.guard?.(request, response);
    return request;
  }

  /** CORS: an origin that may connect may also read the answer, with credentials. @throws HandshakeError 403 */
  allowOrigin(incoming: IncomingMessage, raw: PlatformRequest, answer: Pick<HttpAnswer, 'header'>): void {
    const { origin } = incoming.headers;
    if (origin === undefined) return;
    this.requireOrigin(incoming, () => raw);
    const allowed = { Origin: origin, Credentials: 'true' };
    for (const [name, value] of Object.entries(allowed)) answer.header(`Access-Control-Allow-${name}`, value);
    answer.header('Vary', 'Origin');
  }

  /**
   * Completes the identity that a hook returned; without a user id, the user of the request counts.
   *
   * @param session the session that the client wants to resume: its user has this connection already
   * @param earlier the identity from an earlier hook: it counts for every field that this one leaves out
   * @throws HandshakeError 401 for an expired credential, 429 for too many connections of one user
   * @throws RealtimeError for bad names, too many rooms or an invalid date
   */
  accept(answer: Identity | void, request: HandshakeRequest, session?: Session, earlier?: Identity): Identity {
    const identity = earlier ? merged(earlier, answer ?? {}) : (answer ?? {});
    const { rooms = [], expiresAt, replace, userId = userIdOf(request.user) } = identity;
    this.limits.requireRooms(rooms);
    if (expiresAt) requireFuture(expiresAt);
    if (replace) checkReplace(replace);
    if (userId === undefined) return identity;
    checkName('user', userId, this.node);
    if (!replace && session?.owner.userId !== userId) this.limits.requireUser(userId);
    return { ...identity, userId };
  }

  private requestOf({ incoming, route, transport, address }: Attempt, raw: LazyRequest): HandshakeRequest {
    const { gateway, params } = route;
    return new HandshakeRequest(incoming, {
      path: gateway.path,
      params,
      raw: withParams(raw, params),
      tokenSources: this.node.settings,
      transport,
      address,
    });
  }

  private requireOrigin(incoming: IncomingMessage, rawOf: () => PlatformRequest): void {
    requireOrigin(incoming, rawOf, this.node.settings.allowedOrigins);
  }
}

/** @throws HandshakeError 400 for a path or a hello that cannot be read */
function requireValid(request: HandshakeRequest): void {
  if (!isDecodable(splitTarget(request.url).path))
    throw refusal(400, 'The path cannot be decoded: percent-encode it as UTF-8');
  void request.hello;
}

/** The later identity wins, field by field. */
function merged(earlier: Identity, later: Identity): Identity {
  const given = Object.entries(later).filter(([, value]) => value !== undefined);
  return { ...earlier, ...Object.fromEntries(given) };
}

/** @throws HandshakeError 401 for a date in the past; RealtimeError `bad_date` for one that is not a date */
function requireFuture(expiresAt: Date): void {
  checkDate(expiresAt);
  if (expiresAt.getTime() <= Date.now()) throw refusal(401, 'The credential has expired: get a new one');
}

/** Adds the path's parameters to the request, as on a controller's route, unless the platform has done so. */
function withParams(raw: LazyRequest, params: Params): LazyRequest {
  return raw.prepared((request) => {
    if (Object.keys(request.params ?? {}).length === 0) request.params = { ...params };
  });
}
