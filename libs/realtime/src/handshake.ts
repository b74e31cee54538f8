/**
 * Road IN, step 2: decides whether a request becomes a connection, before any socket is made: running, capacity, the
 * HTTP application (its middleware), origin, guards, `onHandshake`. One step, one method; each refuses by throwing the
 * HTTP answer. Next: engine.open().
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Addresses } from './addresses.js';
import { checkName } from './checks.js';
import { AnsweredError, HandshakeError } from './errors.js';
import {
  addressOf,
  HandshakeRequest,
  normalAddress,
  type PlatformRequest,
  splitTarget,
  targetOf,
  userIdOf,
} from './handshake-request.js';
import { type HandshakeHost, HandshakeLimits } from './handshake-limits.js';
import type { Gateway, Identity } from './hooks.js';
import { errorField, field, quotedField, stackOf } from './log.js';
import { isAllowedOrigin } from './origin.js';
import type { Params } from './paths.js';
import type { Examine, Platform } from './platform.js';
import type { RealtimeSettings } from './settings.js';
import type { Counters } from './stats.js';
import type { Admission } from './transports/transport.js';
import { Unfinished } from './unfinished.js';
import type { UpgradeResponse } from './upgrade-response.js';

/** A gateway and what its path says of a request. */
export interface Route {
  readonly gateway: Gateway;
  readonly params: Params;
}

/** A request, and where it goes. */
interface Visit {
  readonly node: IncomingMessage;
  readonly route: Route;
  /** The client's address; undefined until it is known. */
  address?: string;
}

const RETRY_AFTER_SECONDS = '5';

export class Handshake {
  /** Set by the engine's owner where there is an HTTP application. */
  platform?: Platform;
  private state: 'starting' | 'running' | 'stopping' = 'starting';
  private readonly unfinished = new Unfinished<Admission>((admission) => admission.release());
  /** Admitted, and not yet a connection. */
  private admitted = 0;

  private readonly settings: RealtimeSettings;
  private readonly limits: HandshakeLimits;

  constructor(private readonly host: HandshakeHost & { readonly counters: Counters }) {
    this.settings = host.settings;
    this.limits = new HandshakeLimits(host);
  }

  get addresses(): Addresses {
    return this.limits.addresses;
  }

  /** Handshakes under way, admitted ones that are no connection yet included. */
  get underWay(): number {
    return this.unfinished.size + this.admitted;
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
    const { request, response } = upgrade;
    const visit: Visit = { node: request, route };
    try {
      this.enter(visit);
      const examine: Examine = (raw, answer) => this.examine(visit, raw, answer);
      const { platform } = this;
      return await this.withinDeadline(() => {
        if (!platform) return examine(request, response);
        if (route.gateway.middleware === false) return examine(platform.describe(request), response);
        return platform.pass(upgrade, examine);
      });
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
  async probe(
    request: IncomingMessage,
    route: Route,
    raw: PlatformRequest & object,
    response: unknown,
  ): Promise<never> {
    const visit: Visit = { node: request, route };
    try {
      this.enter(visit);
      const admission = await this.withinDeadline(() => this.examine(visit, raw, response));
      admission.release();
    } catch (error) {
      this.noteRefusal(visit, error);
      throw error;
    }
    throw refusal(426, 'Connect with a WebSocket', { Upgrade: 'websocket' });
  }

  /** What is asked before the application is. */
  private enter(visit: Visit): void {
    this.requireRunning();
    this.limits.requireCapacity(this.underWay);
    const { node } = visit;
    const address = this.platform ? this.platform.addressOf(node) : addressOf(node.socket);
    if (address === undefined) return;
    visit.address = normalAddress(address);
    this.limits.requireAddress(node, visit.address);
  }

  private requireRunning(): void {
    if (this.state === 'starting') throw unavailable('The server is starting');
    if (this.state === 'stopping') throw unavailable('The server is shutting down');
  }

  /** What is asked of a request at the gateway's door, after the middleware. */
  private async examine(visit: Visit, raw: PlatformRequest & object, response: unknown): Promise<Admission> {
    const { node, route } = visit;
    const { gateway, params } = route;
    const request = new HandshakeRequest(node, gateway.path, params, raw, this.settings.queryToken);
    if (visit.address === undefined) this.limits.requireAddress(node, (visit.address = request.address));
    this.requireOrigin(node, raw);
    await gateway.guard?.(request, response);
    const identity = this.accept(await gateway.onHandshake?.(request), request);
    this.requireRunning();
    return this.admission(gateway, request, identity);
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
    const identity: Identity = { ...answer, userId: answer?.userId ?? userIdOf(request.user) };
    const max = this.settings.maxNameLength;
    for (const room of identity.rooms ?? []) checkName('room', room, max);
    if (identity.expiresAt && identity.expiresAt.getTime() <= Date.now())
      throw refusal(401, 'The credential has expired');
    if (identity.userId === undefined) return identity;
    checkName('user', identity.userId, max);
    if (!identity.replace) this.limits.requireUser(identity.userId);
    return identity;
  }

  private admission(gateway: Gateway, request: HandshakeRequest, identity: Identity): Admission {
    this.admitted++;
    let isHeld = true;
    const release = () => {
      if (isHeld) this.admitted--;
      isHeld = false;
    };
    return { gateway, request, identity, scope: new AsyncResource('WebSocketHandshake'), release };
  }

  /** Bounds everything from the middleware to `onHandshake`. */
  private withinDeadline(task: () => Promise<Admission>): Promise<Admission> {
    const { handshakeTimeout } = this.settings;
    const late = () => {
      this.host.limits.reached('handshakeTime', `seconds=${handshakeTimeout}`);
      return unavailable('The handshake took too long');
    };
    return this.unfinished.run(task, handshakeTimeout * 1000, late);
  }

  private noteRefusal({ node, address = addressOf(node.socket) }: Visit, error: unknown): void {
    this.host.counters.refused++;
    const at = `path=${field(splitTarget(targetOf(node)).path)} ip=${address}`;
    if (error instanceof AnsweredError || error instanceof HandshakeError) {
      const isLimit = error.code.startsWith('limit_');
      if (!isLimit && error.status < 500) this.limits.failed(node, address);
      const line = `WebSocket connection refused status=${error.status} ${at} reason=${quotedField(error.message)}`;
      if (isLimit) this.host.log.debug(line);
      else this.host.log.warn(line);
      return;
    }
    this.host.counters.hookErrors++;
    this.host.log.error(`WebSocket handshake failed status=500 ${at} error=${errorField(error)}`, stackOf(error));
  }
}

/** A refusal with the body that Nest's own exceptions have. */
export function refusal(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HandshakeError {
  return new HandshakeError(status, { statusCode: status, message }, headers);
}

/** A dev server on another port of the same machine is no other site. */
export function isDevelopment(): boolean {
  return process.env['NODE_ENV'] !== 'production';
}

/** The HTTP answer to an error; one that knows none is a fault of the application, which the log tells. */
function answerFor(error: unknown): HandshakeError {
  return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
}

function unavailable(message: string): HandshakeError {
  return refusal(503, message, { 'Retry-After': RETRY_AFTER_SECONDS });
}
