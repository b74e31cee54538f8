/**
 * Road IN, step 2: decides whether a request becomes a connection, before any socket is made: running, capacity, the
 * HTTP application (its middleware), origin, guards, `onHandshake`. One step, one method; each refuses by throwing the
 * HTTP answer. Next: engine.open().
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import { checkName } from './checks.js';
import { AnsweredError, HandshakeError } from './errors.js';
import { addressOf, HandshakeRequest, type PlatformRequest, splitTarget, targetOf } from './handshake-request.js';
import type { Gateway, Identity } from './hooks.js';
import { errorField, field, type Log, quotedField, stackOf } from './log.js';
import { isAllowedOrigin } from './origin.js';
import type { Params } from './paths.js';
import type { RealtimeSettings } from './settings.js';
import type { Counters } from './stats.js';
import type { Admission } from './transports/transport.js';
import type { UpgradeResponse } from './upgrade-response.js';

/** A request that has come through the middleware, with what the platform made of it and its response. */
export type Examine = (request: PlatformRequest & object, response: unknown) => Promise<Admission>;

/** The HTTP application in front of the hooks. */
export interface Platform {
  /**
   * Sends an upgrade through the application's middleware to the gateway's door.
   *
   * @param examine called there, once
   * @throws AnsweredError when the application has answered the request itself
   */
  pass(upgrade: UpgradeResponse, examine: Examine): Promise<Admission>;
  /** What the platform knows of a request that does not pass through it. */
  describe(request: IncomingMessage): PlatformRequest & object;
}

/** A gateway and what its path says of a request. */
export interface Route {
  readonly gateway: Gateway;
  readonly params: Params;
}

const RETRY_AFTER_SECONDS = '5';

export class Handshake {
  /** Set by the engine's owner where there is an HTTP application. */
  platform?: Platform;
  private state: 'starting' | 'running' | 'stopping' = 'starting';
  private readonly unfinished = new Set<(error: HandshakeError) => void>();
  /** Admitted, and not yet a connection. */
  private admitted = 0;

  constructor(
    private readonly settings: RealtimeSettings,
    private readonly counters: Counters,
    private readonly log: Log,
    private readonly countConnections: () => number,
  ) {}

  /** From now on requests are admitted. */
  start(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  /** From now on every handshake gets 503, the ones under way included. */
  stop(): void {
    this.state = 'stopping';
    for (const refuse of this.unfinished) refuse(unavailable('The server is shutting down'));
  }

  /**
   * Admits an upgrade.
   *
   * @throws HandshakeError with the HTTP answer; AnsweredError when the application has given it
   */
  async admit(upgrade: UpgradeResponse, route: Route): Promise<Admission> {
    const { request, response } = upgrade;
    try {
      this.requireRunning();
      this.requireCapacity();
      const examine: Examine = (raw, answer) => this.examine(request, route, raw, answer);
      const { platform } = this;
      return await this.withinDeadline(() => {
        if (!platform) return examine(request, response);
        if (route.gateway.middleware === false) return examine(platform.describe(request), response);
        return platform.pass(upgrade, examine);
      });
    } catch (error) {
      this.noteRefusal(request, error);
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
    try {
      this.requireRunning();
      this.requireCapacity();
      const admission = await this.withinDeadline(() => this.examine(request, route, raw, response));
      admission.release();
    } catch (error) {
      this.noteRefusal(request, error);
      throw error;
    }
    throw refusal(426, 'Connect with a WebSocket', { Upgrade: 'websocket' });
  }

  private requireRunning(): void {
    if (this.state === 'starting') throw unavailable('The server is starting');
    if (this.state === 'stopping') throw unavailable('The server is shutting down');
  }

  private requireCapacity(): void {
    const taken = this.countConnections() + this.unfinished.size + this.admitted;
    if (taken >= this.settings.maxConnections) throw unavailable('Too many connections');
  }

  /** What is asked of a request at the gateway's door, after the middleware. */
  private async examine(
    node: IncomingMessage,
    { gateway, params }: Route,
    raw: PlatformRequest & object,
    response: unknown,
  ): Promise<Admission> {
    const request = new HandshakeRequest(node, gateway.path, params, raw);
    this.requireOrigin(node, raw);
    await gateway.guard?.(request, response);
    const identity = await this.identify(gateway, request);
    this.requireRunning();
    return this.admission(gateway, request, identity);
  }

  private requireOrigin({ headers, socket }: IncomingMessage, raw: PlatformRequest): void {
    const isEncrypted = 'encrypted' in socket || raw.protocol === 'https';
    const facts = { origin: headers.origin, host: raw.host ?? headers.host, isEncrypted };
    if (!isAllowedOrigin(facts, this.settings.allowedOrigins)) throw refusal(403, 'Origin not allowed');
  }

  private async identify(gateway: Gateway, request: HandshakeRequest): Promise<Identity> {
    const answer = await gateway.onHandshake?.(request);
    const identity: Identity = { ...answer, userId: answer?.userId ?? userIdOf(request.user) };
    const max = this.settings.maxNameLength;
    if (identity.userId !== undefined) checkName('user', identity.userId, max);
    for (const room of identity.rooms ?? []) checkName('room', room, max);
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

  /** Bounds everything from the middleware to `onHandshake`; what comes later is given back. */
  private withinDeadline(task: () => Promise<Admission>): Promise<Admission> {
    return new Promise((resolve, reject) => {
      const refuse = (error: HandshakeError) => {
        settle();
        reject(error);
      };
      const settle = () => {
        clearTimeout(timer);
        return this.unfinished.delete(refuse);
      };
      const late = () => refuse(unavailable('The handshake took too long'));
      const timer = setTimeout(late, this.settings.handshakeTimeout * 1000);
      this.unfinished.add(refuse);
      task().then(
        (admission) => (settle() ? resolve(admission) : admission.release()),
        (error: unknown) => (settle() ? reject(error as Error) : undefined),
      );
    });
  }

  private noteRefusal(request: IncomingMessage, error: unknown): void {
    this.counters.refused++;
    const at = `path=${field(splitTarget(targetOf(request)).path)} ip=${addressOf(request.socket)}`;
    if (error instanceof HandshakeError || error instanceof AnsweredError) {
      this.log.warn(`WebSocket connection refused status=${error.status} ${at} reason=${quotedField(error.message)}`);
      return;
    }
    this.counters.hookErrors++;
    this.log.error(`WebSocket handshake failed status=500 ${at} error=${errorField(error)}`, stackOf(error));
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

/** The HTTP answer to an error; one that knows none is a fault of the application, which the log tells. */
function answerFor(error: unknown): HandshakeError {
  return error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
}

function unavailable(message: string): HandshakeError {
  return refusal(503, message, { 'Retry-After': RETRY_AFTER_SECONDS });
}

/** The user of the request: `id`, else `sub`, as a string. */
function userIdOf(user: unknown): string | undefined {
  if (typeof user !== 'object' || user === null) return undefined;
  const { id, sub } = user as { id?: unknown; sub?: unknown };
  const found = id ?? sub;
  return found === undefined || found === null ? undefined : String(found);
}
