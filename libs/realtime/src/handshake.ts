/**
 * Road IN, step 2: decides whether a request becomes a connection, before any socket is made. One step, one method;
 * each refuses by throwing the HTTP answer. Next: engine.open().
 */
import type { IncomingMessage } from 'node:http';
import { checkName } from './checks.js';
import { HandshakeError } from './errors.js';
import { addressOf, HandshakeRequest, splitTarget } from './handshake-request.js';
import type { Gateway, Identity } from './hooks.js';
import { errorField, field, type Log, quotedField, stackOf } from './log.js';
import { isAllowedOrigin } from './origin.js';
import type { RealtimeSettings } from './settings.js';
import type { Counters } from './stats.js';
import type { Admission } from './transports/transport.js';

/** Why no handshake is possible at the moment, if so. */
type Closed = 'starting' | 'stopping' | undefined;

const RETRY_AFTER_SECONDS = '5';

export class Handshake {
  private state: Closed = 'starting';
  private readonly unfinished = new Set<(error: HandshakeError) => void>();
  private admitted = 0;

  constructor(
    private readonly settings: RealtimeSettings,
    private readonly counters: Counters,
    private readonly log: Log,
    private readonly countConnections: () => number,
  ) {}

  /** From now on requests are admitted. */
  start(): void {
    this.state = undefined;
  }

  /** From now on every handshake gets 503, the ones under way included. */
  stop(): void {
    this.state = 'stopping';
    for (const refuse of this.unfinished) refuse(unavailable('The server is shutting down'));
  }

  /**
   * Admits one request.
   *
   * @throws HandshakeError with the HTTP answer
   */
  async admit(raw: IncomingMessage, gateway: Gateway): Promise<Admission> {
    try {
      this.requireRunning();
      this.requireCapacity();
      this.requireOrigin(raw);
      const request = new HandshakeRequest(raw, gateway.path);
      const identity = await this.identify(gateway, request);
      this.requireRunning();
      return this.admission(gateway, request, identity);
    } catch (error) {
      throw this.refused(raw, error);
    }
  }

  private requireRunning(): void {
    if (this.state === 'starting') throw unavailable('The server is starting');
    if (this.state === 'stopping') throw unavailable('The server is shutting down');
  }

  private requireCapacity(): void {
    const taken = this.countConnections() + this.unfinished.size + this.admitted;
    if (taken >= this.settings.maxConnections) throw unavailable('Too many connections');
  }

  private requireOrigin({ headers, socket }: IncomingMessage): void {
    const isEncrypted = 'encrypted' in socket;
    const facts = { origin: headers.origin, host: headers.host, isEncrypted };
    if (!isAllowedOrigin(facts, this.settings.allowedOrigins)) throw refusal(403, 'Origin not allowed');
  }

  /** Asks `onHandshake`, within the time a handshake may take. */
  private async identify(gateway: Gateway, request: HandshakeRequest): Promise<Identity> {
    const answer = await this.withinDeadline(async () => gateway.onHandshake?.(request));
    const identity: Identity = { ...answer, userId: answer?.userId ?? userIdOf(request.user) };
    const max = this.settings.maxNameLength;
    if (identity.userId !== undefined) checkName('user', identity.userId, max);
    for (const room of identity.rooms ?? []) checkName('room', room, max);
    return identity;
  }

  private withinDeadline<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => refuse(unavailable('The handshake took too long')),
        this.settings.handshakeTimeout * 1000,
      );
      const refuse = (error: HandshakeError) => settle(() => reject(error));
      const settle = (then: () => void) => {
        clearTimeout(timer);
        this.unfinished.delete(refuse);
        then();
      };
      this.unfinished.add(refuse);
      task().then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error as Error)),
      );
    });
  }

  private admission(gateway: Gateway, request: HandshakeRequest, identity: Identity): Admission {
    this.admitted++;
    let isHeld = true;
    const release = () => {
      if (isHeld) this.admitted--;
      isHeld = false;
    };
    return { gateway, request, identity, release };
  }

  /** Logs and counts a refusal; an error that is none is a fault of the application: 500, and the log says what. */
  private refused(raw: IncomingMessage, error: unknown): HandshakeError {
    this.counters.refused++;
    const at = `path=${field(splitTarget(raw.url ?? '').path)} ip=${addressOf(raw.socket)}`;
    if (error instanceof HandshakeError) {
      this.log.warn(`WebSocket connection refused status=${error.status} ${at} reason=${quotedField(error.message)}`);
      return error;
    }
    this.counters.hookErrors++;
    this.log.error(`WebSocket onHandshake failed status=500 ${at} error=${errorField(error)}`, stackOf(error));
    return refusal(500, 'Internal server error');
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
