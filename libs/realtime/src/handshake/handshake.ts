/**
 * Road IN, step 2: decides whether a request becomes a connection: bounds, the application's middleware, origin, guards,
 * `onHandshake`. Each step refuses by throwing the HTTP answer. Next: engine.open().
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { AnsweredError } from '../errors.js';
import { HandshakeRequest, type Params, userIdOf } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { HttpAnswer } from '../http/exchange.js';
import {
  addressOf,
  type PlatformRequest,
  type RawRequest as Raw,
  splitTarget,
  targetOf,
} from '../http/platform-request.js';
import { answerFor, isClientsFault, logRefusal, refusal, unavailable } from '../http/refusals.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import { checkName } from '../limits/checks.js';
import { field } from '../log.js';
import type { Counters } from '../node/stats.js';
import type { RealtimeSettings } from '../settings/settings.js';
import type { Addresses } from './addresses.js';
import { AdmissionLimits, type HandshakeHost } from './admission-limits.js';
import { Attempts, whenGone } from './attempts.js';
import type { Admission, Verdict } from './gate.js';
import { isAllowedOrigin, isDevelopment } from './origin.js';
import { isDecodable } from './paths.js';
import type { Examine, Platform } from './platform.js';
import type { Route } from './routes.js';
import { OpenSession } from './session.js';

/** A request, where it goes, and the client's address once it is known. */
interface Visit {
  readonly node: IncomingMessage;
  readonly route: Route;
  address?: string;
}

export class Handshake {
  platform?: Platform;
  private state: 'starting' | 'running' | 'stopping' = 'starting';
  private readonly unfinished: Attempts<IncomingMessage, Verdict>;
  /** Admitted, and not yet a connection. */
  private admitted = 0;
  private readonly settings: RealtimeSettings;
  private readonly limits: AdmissionLimits;

  constructor(private readonly host: HandshakeHost & { readonly counters: Counters }) {
    this.settings = host.settings;
    this.limits = new AdmissionLimits(host);
    const timeMs = host.settings.handshakeTimeout * 1000;
    this.unfinished = new Attempts(timeMs, ({ socket }, refuse) => this.late(socket, refuse));
  }

  get addresses(): Addresses {
    return this.limits.addresses;
  }

  /** Handshakes under way, admitted ones that are no connection yet included. */
  get underWay(): number {
    return this.unfinished.size + this.admitted;
  }

  /** A credential was wrong after the handshake itself. */
  failed(node: IncomingMessage, address: string): void {
    this.limits.failed(node, address);
  }

  get isRunning(): boolean {
    return this.state === 'running';
  }

  /** From now on requests are admitted. */
  start(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  /** From now on every handshake gets 503, the ones under way included. */
  stop(): void {
    this.state = 'stopping';
    this.unfinished.refuseAll(unavailable('The server is shutting down'));
  }

  /**
   * Admits an upgrade.
   *
   * @throws HandshakeError with the HTTP answer; AnsweredError when the application has given it
   */
  async admit(upgrade: UpgradeResponse, route: Route): Promise<Admission> {
    const { request } = upgrade;
    const visit: Visit = { node: request, route };
    try {
      this.enter(visit);
      const examine: Examine = (raw, responseOf) => this.examine(visit, raw, responseOf);
      const way = route.gateway.middleware === false ? 'bypass' : 'pass';
      const ask = () => this.platform?.[way](upgrade, examine) ?? examine(request, () => upgrade.response);
      // A context that is entered on the way is entered for this handshake, not for what the node does after it
      const scope = new AsyncResource('WebSocketHandshake');
      return this.hold(await scope.runInAsyncScope(() => this.unfinished.run(request, ask)));
    } catch (error) {
      this.noteRefusal(visit, error);
      throw error instanceof AnsweredError ? error : answerFor(error);
    }
  }

  /**
   * Says what a plain request on a gateway's path would get as a handshake.
   *
   * @throws always: what refuses it, or HandshakeError 426 when nothing does
   */
  async probe(node: IncomingMessage, route: Route, raw: Raw, response: unknown): Promise<never> {
    const admission = await this.admitRequest(node, route, raw, response);
    admission.release();
    throw refusal(426, 'Connect with a WebSocket', { Upgrade: 'websocket' });
  }

  /** Admits a request that has come through the middleware. @throws what the platform should answer */
  async admitRequest(node: IncomingMessage, route: Route, raw: Raw, response: unknown): Promise<Admission> {
    const visit: Visit = { node, route };
    try {
      this.enter(visit);
      return this.hold(await this.unfinished.run(node, () => this.examine(visit, raw, () => response)));
    } catch (error) {
      this.noteRefusal(visit, error);
      throw error;
    }
  }

  /** Asks origin and guards about a further request of a connection. @returns it as the application sees it */
  async recheck(node: IncomingMessage, route: Route, raw: Raw, response: unknown): Promise<HandshakeRequest> {
    const request = this.requestOf({ node, route }, raw);
    this.requireOrigin(node, raw);
    await route.gateway.guard?.(request, response);
    return request;
  }

  /** CORS: what may connect may also read the answer, with credentials. */
  allowOrigin(node: IncomingMessage, raw: Raw, answer: Pick<HttpAnswer, 'header'>): void {
    const { origin } = node.headers;
    if (origin === undefined) return;
    this.requireOrigin(node, raw);
    const allowed = { Origin: origin, Credentials: 'true' };
    for (const [name, value] of Object.entries(allowed)) answer.header(`Access-Control-Allow-${name}`, value);
    answer.header('Vary', 'Origin');
  }

  private enter(visit: Visit): void {
    const { node } = visit;
    this.requireRunning();
    this.limits.requireCapacity(this.underWay);
    const address = this.platform ? this.platform.addressOf(node) : addressOf(node.socket);
    if (address === undefined) return;
    visit.address = addressOf(node.socket, address);
    this.limits.requireAddress(node, visit.address);
  }

  private requireRunning(): void {
    if (this.state === 'starting') throw unavailable('The server is starting');
    if (this.state === 'stopping') throw unavailable('The server is shutting down');
  }

  /** What is asked of a request at the gateway's door, after the middleware. */
  private async examine(visit: Visit, raw: Raw | (() => Raw), responseOf: () => unknown): Promise<Verdict> {
    const { node, route } = visit;
    const { gateway } = route;
    const request = this.requestOf(visit, raw);
    const session = OpenSession.of(request.session);
    if (visit.address === undefined) this.limits.requireAddress(node, (visit.address = request.address));
    if (!isDecodable(splitTarget(request.url).path)) throw refusal(400, 'The path cannot be decoded');
    if (node.headers.origin !== undefined) this.requireOrigin(node, request.raw);
    if (gateway.guard) await gateway.guard(request, responseOf());
    const identity = this.accept(await gateway.onHandshake?.(request), request);
    this.requireRunning();
    return { gateway, request, identity, session, scope: new AsyncResource('WebSocketHandshake') };
  }

  private requestOf({ node, route, address }: Visit, raw: Raw | (() => Raw)): HandshakeRequest {
    const { gateway, params } = route;
    const source = typeof raw === 'function' ? () => withParams(raw(), params) : withParams(raw, params);
    return new HandshakeRequest(node, gateway.path, params, source, this.settings.queryToken, address);
  }

  private requireOrigin({ headers, socket }: IncomingMessage, raw: PlatformRequest): void {
    const isEncrypted = 'encrypted' in socket || raw.protocol === 'https';
    const facts = { origin: headers.origin, host: raw.host ?? headers.host, isEncrypted };
    if (!isAllowedOrigin(facts, this.settings.allowedOrigins, isDevelopment()))
      throw refusal(403, 'Origin not allowed');
  }

  /**
   * Completes what a hook said of who this is.
   *
   * @throws HandshakeError 401 for a credential that has ended, 429 above the connections of one user
   */
  accept(answer: Identity | void, request: HandshakeRequest): Identity {
    const userId = answer?.userId ?? userIdOf(request.user);
    const identity: Identity = answer ? { ...answer, userId } : { userId };
    this.limits.requireRooms(identity.rooms ?? []);
    if (identity.expiresAt && identity.expiresAt.getTime() <= Date.now())
      throw refusal(401, 'The credential has expired');
    if (userId === undefined) return identity;
    checkName('user', userId, this.host);
    if (!identity.replace) this.limits.requireUser(userId);
    return identity;
  }

  /** From here on it takes a place, until it is a connection or given up. */
  private hold(verdict: Verdict): Admission {
    const { gateway, identity, request, session, scope } = verdict;
    const { incoming, address } = request;
    this.limits.requireRoom(incoming, address);
    // Where the first message says who it is, it is asked then
    const leave = this.limits.takeUser(gateway.onAuthenticate ? {} : identity);
    this.admitted++;
    this.addresses.opened(address);
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      this.admitted--;
      this.addresses.closed(address);
      leave();
    };
    return { gateway, identity, request, session, scope, release };
  }

  /** The time for everything from the middleware to `onHandshake` is over. */
  private late(socket: Socket, refuse: (error: Error) => void): void {
    if (this.host.limits.reached('handshakeTime', `seconds=${this.settings.handshakeTimeout}`)) {
      refuse(unavailable('The handshake took too long'));
    } else whenGone(socket, () => refuse(unavailable('The client has gone')));
  }

  /** Counts and logs a refusal, against the address of the client where it is the client's fault. */
  noteRefusal({ node, address = addressOf(node.socket) }: Pick<Visit, 'node' | 'address'>, error: unknown): void {
    const isFlood = this.limits.hasFailedTooOften(address);
    if (isClientsFault(error)) this.limits.failed(node, address);
    logRefusal(this.host, `path=${field(splitTarget(targetOf(node)).path)} ip=${address}`, error, isFlood);
  }
}

/** As on a controller's route, where the platform has not put them there itself. */
function withParams(raw: Raw, params: Params): Raw {
  if (Object.keys(raw.params ?? {}).length === 0) raw.params = { ...params };
  return raw;
}
